import type { Report } from './outcome.ts';

export const PLATFORMS = ['node', 'deno', 'chromium'] as const;
export type PlatformName = (typeof PLATFORMS)[number];

/** Where test files run. */
export interface Platform {
  readonly name: PlatformName;
  /** Its version and the GPU that tests find. */
  readonly description: string;
  /** Runs a file of the test folder; whatever it does, there is a report. */
  run(file: string): Promise<Report>;
  close(): Promise<void>;
}

/** Minutes that one file may take. */
export const FILE_TIMEOUT = 10 * 60_000;
