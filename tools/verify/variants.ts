/** The golden files through every kernel that can compute them, not only those the device would choose. */
import { VARIANTS } from '@cim/kernels';
import type { Device } from '@cim/runtime';
import { runOnSameBranches, runPinned } from './branches.ts';
import { type Comparison, errorRatio } from './compare.ts';
import type { Case } from './find-cases.ts';
import { type CaseResult, reportOf, runCase, selectCases, type VerifyReport } from './verify.ts';

export interface VariantResult {
  readonly variant: string;
  /** Not covered: no operation of the cases has shapes that it fits, or the device cannot run it. */
  readonly status: CaseResult['status'];
  /** The cases it had a part in, by name, and the results of those that failed. */
  readonly cases: readonly string[];
  readonly failures: readonly CaseResult[];
  /** Those that passed on the branches of the device's own kernels only, see {@link runOnSameBranches}. */
  readonly flipped: readonly CaseResult[];
  /** Of all of them the tensor with the largest error, compared to its tolerance. */
  readonly worst?: Comparison & { readonly case: string };
}

export interface VariantsReport extends VerifyReport {
  readonly variants: readonly VariantResult[];
}

/** A case as the device runs it by itself. */
interface Run {
  readonly one: Case;
  readonly result: CaseResult;
  /** Of each variant that fits one of its operations, whether another was chosen for one of them. */
  readonly fitting: ReadonlyMap<string, boolean>;
}

/**
 * Runs every golden file as {@link verify} does, then for each variant again those whose operations it fits, with the
 * variant pinned. What it would run anyway is not repeated.
 *
 * @throws DataError when there is no golden file.
 */
export async function verifyVariants(
  device: Device,
  folder: string,
  onCase: (result: CaseResult) => void,
  onVariant: (result: VariantResult) => void,
  filter = '',
): Promise<VariantsReport> {
  const runs: Run[] = [];
  for (const one of await selectCases(folder, filter)) {
    runs.push(await observe(device, one));
    onCase(runs[runs.length - 1].result);
  }
  const variants: VariantResult[] = [];
  for (const variant of VARIANTS) {
    const result = await runVariant(device, variant, runs);
    variants.push(result);
    onVariant(result);
  }
  return { ...reportOf(runs.map(({ result }) => result)), variants };
}

async function observe(device: Device, one: Case): Promise<Run> {
  const fitting = new Map<string, boolean>();
  device.variants.observer = ({ chosen, names }) => {
    for (const name of names) fitting.set(name, name !== chosen || fitting.get(name) === true);
  };
  try {
    return { one, result: await runCase(device, one), fitting };
  } finally {
    device.variants.observer = undefined;
  }
}

async function runVariant(device: Device, variant: string, runs: readonly Run[]): Promise<VariantResult> {
  const results: CaseResult[] = [];
  for (const run of runs) {
    const differs = run.fitting.get(variant);
    if (differs !== undefined) results.push(differs ? await runWith(device, variant, run) : run.result);
  }
  const cases = results.map((result) => result.case);
  const failures = results.filter((result) => result.status !== 'passed');
  const flipped = results.filter(({ status, flips }) => status === 'passed' && flips !== undefined);
  const compared = results.flatMap(({ case: name, comparisons }) => comparisons.map((one) => ({ case: name, ...one })));
  const worst = compared.sort((a, b) => errorRatio(b) - errorRatio(a)).at(0);
  const status = cases.length === 0 ? 'not covered' : failures.length === 0 ? 'passed' : 'failed';
  return { variant, status, cases, failures, flipped, worst };
}

async function runWith(device: Device, variant: string, { one, result }: Run): Promise<CaseResult> {
  const own = await runPinned(device, variant, one);
  const failed = own.comparisons.filter(({ passed }) => !passed);
  const suspect = failed.length > 0 && failed.every(({ tensor }) => tensor.startsWith('grad.'));
  return (suspect && result.status === 'passed' && (await runOnSameBranches(device, variant, one))) || own;
}
