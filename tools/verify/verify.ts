import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Device } from '@cim/runtime';
import { DataError, reasonOf } from '../errors.ts';
import type { CaseKind } from './case.ts';
import { detections } from './cases/detections.ts';
import { images } from './cases/images.ts';
import { losses } from './cases/losses.ts';
import { masks } from './cases/masks.ts';
import { mining } from './cases/mining.ts';
import { networks } from './cases/networks.ts';
import { operations } from './cases/operations.ts';
import { peaks } from './cases/peaks.ts';
import { regions } from './cases/regions.ts';
import { training } from './cases/training.ts';
import type { Comparison } from './compare.ts';
import { Golden } from './golden.ts';

const KINDS: readonly CaseKind[] = [
  operations,
  regions,
  mining,
  losses,
  networks,
  training,
  masks,
  peaks,
  images,
  detections,
].flat();

export interface CaseResult {
  readonly case: string;
  readonly status: 'passed' | 'failed' | 'not covered';
  readonly comparisons: readonly Comparison[];
  /** Why the case could not be run to its end. */
  readonly error?: string;
  readonly seconds: number;
}

export interface VerifyReport {
  readonly cases: readonly CaseResult[];
  readonly known: number;
  readonly passed: number;
  readonly failed: number;
  readonly notCovered: number;
}

/** Runs every golden file of a folder through the real kernels. @throws DataError when there is none. */
export async function verify(
  device: Device,
  folder: string,
  onCase: (result: CaseResult) => void,
): Promise<VerifyReport> {
  const entries = await readdir(folder).catch((cause: unknown) => {
    throw new DataError(`Cannot read ${folder}: ${reasonOf(cause)}.`, 'Give a folder of golden .safetensors files.', {
      cause,
    });
  });
  const files = entries.filter((name) => name.endsWith('.safetensors')).sort();
  if (files.length === 0) {
    throw new DataError(`${folder} holds no .safetensors file.`, 'Give a folder of golden .safetensors files.');
  }
  const cases: CaseResult[] = [];
  for (const file of files) {
    const result = await runCase(device, join(folder, file));
    cases.push(result);
    onCase(result);
  }
  const count = (status: CaseResult['status']): number => cases.filter((c) => c.status === status).length;
  const [passed, failed, notCovered] = [count('passed'), count('failed'), count('not covered')];
  return { cases, known: passed + failed, passed, failed, notCovered };
}

async function runCase(device: Device, file: string): Promise<CaseResult> {
  const begin = performance.now();
  const seconds = (): number => (performance.now() - begin) / 1000;
  const golden = await Golden.read(file);
  const kind = KINDS.find(({ pattern }) => pattern.test(golden.name));
  if (!kind) return { case: golden.name, status: 'not covered', comparisons: [], seconds: seconds() };
  try {
    const comparisons = await kind.check(device, golden);
    await device.check();
    const passed = comparisons.length > 0 && comparisons.every((c) => c.passed);
    return { case: golden.name, status: passed ? 'passed' : 'failed', comparisons, seconds: seconds() };
  } catch (error) {
    return { case: golden.name, status: 'failed', comparisons: [], error: String(error), seconds: seconds() };
  }
}
