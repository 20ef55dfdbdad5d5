import type { Operation } from '@cim/kernels/operation';
import type { OperationName } from '@cim/kernels/operations';
import type { Device } from '../device.ts';
import type { TunedEntry, Verdict } from './entry.ts';
import { type Trial, tuneOperation } from './tune.ts';

/** Tunes operations one after the other. */
export interface Tuner {
  /**
   * @param known earlier verdicts on the same class.
   * @throws ReportedError when the operation's tensors find no room, or the device is lost.
   */
  tune(operation: Operation, known?: Readonly<Record<string, Verdict>>): Promise<TunedEntry>;
  close(): Promise<void>;
}

/** What a tuning process is asked. */
export interface TuneRequest {
  readonly operation: OperationName;
  readonly known: Readonly<Record<string, Verdict>>;
}

/** What it answers: each trial as it begins, then one of the others; after a broken candidate it ends. */
export type TuneReply =
  | { readonly trial: Trial }
  | { readonly entry: TunedEntry }
  | { readonly broken: { readonly candidate: string; readonly hash: string; readonly message: string } }
  | { readonly error: { readonly message: string; readonly remedy: string } };

/** On the device itself, without protection from candidates that break it or never end: what browsers can do. */
export const localTuner = (device: Device): Tuner => ({
  tune: (operation, known = {}) => tuneOperation(device, operation, { known }),
  close: async () => {},
});

/** Seconds that a candidate may take to compile, run and be compared. */
const TRIAL_SECONDS = 20;

/** In a process of its own where there are processes. */
export async function openTuner(device: Device, seconds: number = TRIAL_SECONDS): Promise<Tuner> {
  if (!hasProcesses()) return localTuner(device);
  const { TuningProcess } = await import('../platform/tuning-process.ts');
  return new TuningProcess(device.options, seconds);
}

/** Whether this is Node, and not a browser. */
export const hasProcesses = (): boolean =>
  typeof process !== 'undefined' && process.versions?.node !== undefined && !('Deno' in globalThis);
