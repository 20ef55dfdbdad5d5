import type { Comparison } from './compare.ts';
import type { CaseResult } from './verify.ts';

const MARKS = { passed: 'pass', failed: 'FAIL', 'not covered': 'not covered' } as const;

/** A case for a person: its worst tensor, or with `verbose`, or where they failed, each one. */
export function caseLines({ case: name, status, comparisons, error, seconds }: CaseResult, verbose: boolean): string[] {
  const head = `${MARKS[status].padEnd(5)} ${name.padEnd(32)}`;
  if (error) return [`${head} ${error}`];
  if (comparisons.length === 0) return [head.trimEnd()];
  const margin = ({ maxError, tolerance }: Comparison): number => (maxError === 0 ? 0 : maxError / tolerance);
  const worst = comparisons.reduce((a, b) => (margin(b) > margin(a) ? b : a));
  const listed = comparisons.filter(({ passed }) => verbose || !passed);
  return [
    `${head} ${String(comparisons.length).padStart(4)} tensors, ${seconds.toFixed(2)} s, worst ${describe(worst)}`,
    ...listed.map((comparison) => `      ${MARKS[comparison.passed ? 'passed' : 'failed']} ${describe(comparison)}`),
  ];
}

const describe = ({ tensor, maxError, tolerance }: Comparison): string =>
  `${tensor}: max error ${maxError.toExponential(1)}, tolerance ${tolerance.toExponential(1)}`;
