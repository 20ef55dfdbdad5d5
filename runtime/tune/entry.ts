/** What tuning finds out about a class of shapes, and how it is kept. */
import type { OperationName } from '@cim/kernels/operations';
import type { Plan } from '@cim/kernels/plan';
import type { AdapterDescription } from '../device.ts';
import { ReportedError } from '../errors.ts';

/** A file of tuning results or choices that does not hold what it should. */
export class TuningFileError extends ReportedError {}

/**
 * What became of a candidate. `timed`: the median of its samples; `slow`: it was given up after a sample; `wrong`: its result
 * differs from the reference; `failed`: it does not compile or run; `timeout`: it was not done in time and its process was
 * ended.
 */
export interface Verdict {
  /** What became of the candidate. */
  readonly status: 'timed' | 'slow' | 'wrong' | 'failed' | 'timeout';
  /** Of the WGSL that the verdict is about. */
  readonly hash: string;
  /** Of one run, where it was timed; the time limit of a `timeout`. */
  readonly seconds?: number;
  /** What is wrong. */
  readonly message?: string;
}

/** The candidates of an operation at the shape that they were tried with, which stands for its class. */
export interface TunedEntry extends OperationName {
  /** The first candidate: what runs without tuning. */
  readonly heuristic: string;
  /** The fastest right one; null where none is right. */
  readonly winner: string | null;
  /** Verdicts by name. */
  readonly candidates: Readonly<Record<string, Verdict>>;
}

/** Where results hold: another driver or another implementation of WebGPU compiles another program. */
export interface Environment
  extends Pick<AdapterDescription, 'vendor' | 'architecture' | 'device' | 'description' | 'driver'> {
  /** `webgpu 0.6.2` (Dawn in Node), or the browser. */
  readonly implementation: string;
}

/** Results of one environment, by class of shapes: what is shipped, exported and contributed. */
export interface TuningTable {
  /** Marks the file. */
  readonly format: 'cim-tuning';
  /** Of the format. */
  readonly version: 1;
  /** What the results hold for. */
  readonly environment: Environment;
  /** By class of shapes. */
  readonly entries: Readonly<Record<string, TunedEntry>>;
}

/** The environment of an adapter under a WebGPU implementation, such as `webgpu 0.6.2`. */
export const environmentOf = (
  { vendor, architecture, device, description, driver }: AdapterDescription,
  implementation: string,
): Environment => ({ vendor, architecture, device, description, driver, implementation });

/** 53 bits of a text, as hexadecimal digits (cyrb53). */
export function hashText(text: string): string {
  let [a, b] = [0xdeadbeef, 0x41c6ce57];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x9e3779b1);
    b = Math.imul(b ^ code, 0x5f356495);
  }
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
  b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
  return (2 ** 32 * (b & 0x1fffff) + (a >>> 0)).toString(16).padStart(14, '0');
}

/** Of the sources of all its kernels. */
export const planHash = ({ steps }: Plan): string => hashText(steps.map(({ kernel }) => kernel.wgsl).join('\n'));

const STATUSES: readonly unknown[] = ['timed', 'slow', 'wrong', 'failed', 'timeout'];
const isRecord = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === 'object' && !Array.isArray(value);
const isOptional = (value: unknown, type: 'number' | 'string'): boolean => value === undefined || typeof value === type;

/** Whether a value that was read from a file is whole. */
export const isTunedEntry = (value: unknown): value is TunedEntry =>
  isRecord(value) &&
  typeof value.family === 'string' &&
  isRecord(value.shape) &&
  Object.values(value.shape).every((size) => typeof size === 'boolean' || Number.isSafeInteger(size)) &&
  typeof value.heuristic === 'string' &&
  isRecord(value.candidates) &&
  Object.values(value.candidates).every(isVerdict) &&
  (value.winner === null || (typeof value.winner === 'string' && Object.hasOwn(value.candidates, value.winner)));

const isVerdict = (value: unknown): boolean =>
  isRecord(value) &&
  STATUSES.includes(value.status) &&
  typeof value.hash === 'string' &&
  isOptional(value.seconds, 'number') &&
  isOptional(value.message, 'string');

/**
 * Reads a table of results.
 * @param source names the file in messages.
 * @throws TuningFileError when the text is no JSON, or no such table.
 */
export function parseTable(text: string, source: string): TuningTable {
  const value = parseJson(text, source);
  const valid =
    isRecord(value) &&
    value.format === 'cim-tuning' &&
    value.version === 1 &&
    isRecord(value.environment) &&
    isRecord(value.entries) &&
    Object.values(value.entries).every(isTunedEntry);
  if (!valid) {
    throw new TuningFileError(`${source} is no table of tuning results.`, 'Write one with `cim tune --export FILE`.');
  }
  return value as unknown as TuningTable;
}

function parseJson(text: string, source: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TuningFileError(`${source} is no JSON: ${(cause as Error).message}.`, 'Delete it.', { cause });
  }
}
