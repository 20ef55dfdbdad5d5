import { ReportedError } from '@cim/runtime/errors';
import type { Report } from './outcome.ts';

export const PLATFORMS = ['node', 'deno', 'chromium'] as const;
export type PlatformName = (typeof PLATFORMS)[number];

/** A platform that cannot run tests here. */
export class PlatformUnavailableError extends ReportedError {}

/** Where test files run. */
export interface Platform {
  readonly name: PlatformName;
  /** Its version and the GPU that tests find. */
  readonly description: string;
  /** Its files are no sooner done when two run at once. */
  readonly serial: boolean;
  /** Runs a file of the test folder; whatever it does, there is a report. */
  run(file: string): Promise<Report>;
  /** What an exported function of a module of the test folder returns, as JSON. @throws Error with all output if it fails. */
  call(file: string, name: string): Promise<unknown>;
  close(): Promise<void>;
}

/** Which GPU the tests find. */
export const ADAPTER = ['runner/adapter.ts', 'describeAdapter'] as const;

/** Milliseconds that one file may take. */
export const FILE_TIMEOUT = 15 * 60_000;
