import { type Device, Tape } from '@cim/runtime';
import { DataError } from '../errors.ts';
import type { Flips } from './branches.ts';
import type { CaseKind } from './case.ts';
import { coco } from './cases/coco.ts';
import { detections } from './cases/detections.ts';
import { formats } from './cases/formats.ts';
import { images } from './cases/images.ts';
import { losses } from './cases/losses.ts';
import { masks } from './cases/masks.ts';
import { mining } from './cases/mining.ts';
import { networks } from './cases/networks.ts';
import { operations } from './cases/operations.ts';
import { peaks } from './cases/peaks.ts';
import { prm } from './cases/prm.ts';
import { regions } from './cases/regions.ts';
import { rle } from './cases/rle.ts';
import { testing } from './cases/testing.ts';
import { training } from './cases/training.ts';
import { vocBoxes } from './cases/voc-boxes.ts';
import type { Comparison } from './compare.ts';
import { type Case, findCases } from './find-cases.ts';
import { readGolden } from './read-golden.ts';

const KINDS: readonly CaseKind[] = [
  operations,
  regions,
  mining,
  losses,
  networks,
  training,
  masks,
  peaks,
  prm,
  images,
  detections,
  rle,
  coco,
  vocBoxes,
  formats,
  testing,
].flat();

export interface CaseResult {
  readonly case: string;
  readonly status: 'passed' | 'failed' | 'not covered';
  readonly comparisons: readonly Comparison[];
  /** Where it ran on branches that were given, see `runOnSameBranches`. */
  readonly flips?: Flips;
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

/**
 * Runs every golden file of a folder and the folders in it through the real code.
 *
 * @param filter only cases whose name contains it.
 * @throws DataError when there is none.
 */
export async function verify(
  device: Device,
  folder: string,
  onCase: (result: CaseResult) => void,
  filter = '',
): Promise<VerifyReport> {
  const cases: CaseResult[] = [];
  for (const one of await selectCases(folder, filter)) {
    const result = await runCase(device, one);
    cases.push(result);
    onCase(result);
  }
  return reportOf(cases);
}

/** The cases of a folder with `filter` in their names. @throws DataError when there is none. */
export async function selectCases(folder: string, filter: string): Promise<Case[]> {
  const found = (await findCases(folder, KINDS)).filter(({ name }) => name.includes(filter));
  if (found.length === 0)
    throw new DataError(`No golden file of ${folder} has "${filter}" in its name.`, 'Shorten it.');
  return found;
}

export function reportOf(cases: readonly CaseResult[]): VerifyReport {
  const count = (status: CaseResult['status']): number => cases.filter((c) => c.status === status).length;
  const [passed, failed, notCovered] = [count('passed'), count('failed'), count('not covered')];
  return { cases, known: passed + failed, passed, failed, notCovered };
}

/** Runs one case; whatever goes wrong is part of the result. */
export async function runCase(
  device: Device,
  { name, file, kind }: Case,
  newTape = () => new Tape(device),
): Promise<CaseResult> {
  const begin = performance.now();
  const seconds = (): number => (performance.now() - begin) / 1000;
  if (!kind) return { case: name, status: 'not covered', comparisons: [], seconds: seconds() };
  try {
    const comparisons = await ('check' in kind
      ? kind.check(device, await readGolden(file), newTape)
      : kind.checkFile(file, device));
    await device.check();
    const passed = comparisons.length > 0 && comparisons.every((c) => c.passed);
    return { case: name, status: passed ? 'passed' : 'failed', comparisons, seconds: seconds() };
  } catch (error) {
    return { case: name, status: 'failed', comparisons: [], error: String(error), seconds: seconds() };
  }
}
