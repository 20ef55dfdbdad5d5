import { type Comparison, errorRatio } from './compare.ts';
import type { VariantResult } from './variants.ts';
import type { CaseResult } from './verify.ts';

const MARKS = { passed: 'pass', failed: 'FAIL', 'not covered': 'not covered' } as const;

/** A case for a person: its worst tensor, or with `verbose`, or where they failed, each one. */
export function caseLines({ case: name, status, comparisons, error, seconds }: CaseResult, verbose: boolean): string[] {
  const head = `${MARKS[status].padEnd(5)} ${name.padEnd(32)}`;
  if (error) return [`${head} ${error}`];
  if (comparisons.length === 0) return [head.trimEnd()];
  const worst = comparisons.reduce((a, b) => (errorRatio(b) > errorRatio(a) ? b : a));
  const listed = comparisons.filter(({ passed }) => verbose || !passed);
  return [
    `${head} ${String(comparisons.length).padStart(4)} tensors, ${seconds.toFixed(2)} s, worst ${describe(worst)}`,
    ...listed.map((comparison) => `      ${MARKS[comparison.passed ? 'passed' : 'failed']} ${describe(comparison)}`),
  ];
}

/** A variant for a person, and its cases that failed or ran on given branches. */
export function variantLines({ variant, status, cases, failures, flipped, worst }: VariantResult): string[] {
  const head = `${MARKS[status].padEnd(5)} ${variant.padEnd(32)}`;
  if (cases.length === 0) return [head.trimEnd()];
  const counts = `${String(cases.length).padStart(4)} cases, ${failures.length} failed`;
  const error = worst
    ? `, worst error ${errorRatio(worst).toPrecision(2)} of tolerance (${worst.case} ${worst.tensor})`
    : '';
  const notes = flipped.map(
    ({ case: name, flips }) => `      ${name}: ${flips!.flipped} of ${flips!.of} ReLU outputs within rounding of zero`,
  );
  return [`${head} ${counts}${error}`, ...notes, ...failures.flatMap((result) => caseLines(result, false))];
}

const describe = ({ tensor, maxError, tolerance }: Comparison): string =>
  `${tensor}: max error ${maxError.toExponential(1)}, tolerance ${tolerance.toExponential(1)}`;
