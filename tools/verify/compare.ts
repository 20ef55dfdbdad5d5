import type { TypedArray } from '@cim/runtime';

/** |actual − expected| ≤ absolute + factor·max|expected| + relative·|expected|. */
export interface Tolerance {
  readonly relative: number;
  /** Times the largest magnitude of the expected tensor. */
  readonly factor: number;
  readonly absolute?: number;
}

/** test/golden/README.md, "Tolerances". */
export const tolerances = {
  exact: { relative: 0, factor: 0 },
  operation: { relative: 1e-4, factor: 1e-5 },
  operationGradient: { relative: 1e-4, factor: 2e-5 },
  weight: { relative: 1e-5, factor: 0, absolute: 1e-12 },
  network: { relative: 1e-3, factor: 1e-4 },
  networkGradient: { relative: 2e-3, factor: 5e-4 },
  fullNetwork: { relative: 0, factor: 1e-3 },
  peakResponse: { relative: 0, factor: 1e-3 },
  loss: { relative: 1e-4, factor: 0 },
  maskIou: { relative: 0, factor: 0, absolute: 1e-12 },
  averagePrecision: { relative: 0, factor: 0, absolute: 1e-9 },
} as const satisfies Record<string, Tolerance>;

/** One tensor of a case against the original's. */
export interface Comparison {
  readonly tensor: string;
  /** Largest |actual − expected|; Infinity where sizes differ or a value is not a number on one side only. */
  readonly maxError: number;
  /** What was allowed at that element. */
  readonly tolerance: number;
  readonly passed: boolean;
}

/** The error as a part of its tolerance: above 1 the comparison fails. */
export const errorRatio = ({ maxError, tolerance }: Comparison): number => (maxError === 0 ? 0 : maxError / tolerance);

export function compare(
  tensor: string,
  actual: ArrayLike<number> | TypedArray,
  expected: ArrayLike<number>,
  { relative, factor, absolute = 0 }: Tolerance,
): Comparison {
  if (actual.length !== expected.length) return { tensor, maxError: Infinity, tolerance: 0, passed: false };
  let largest = 0;
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i]));
  const base = absolute + factor * largest;
  let worst = { error: 0, allowed: base, over: -Infinity };
  for (let i = 0; i < expected.length; i++) {
    const same = actual[i] === expected[i] || (Number.isNaN(actual[i]) && Number.isNaN(expected[i]));
    const difference = same ? 0 : Math.abs(actual[i] - expected[i]);
    const error = Number.isNaN(difference) ? Infinity : difference;
    const allowed = base + relative * Math.abs(expected[i]);
    if (error - allowed > worst.over) worst = { error, allowed, over: error - allowed };
  }
  return { tensor, maxError: worst.error, tolerance: worst.allowed, passed: worst.over <= 0 || expected.length === 0 };
}

/** Texts, or values of which each must be equal to the last digit; `maxError` is how many differ. */
export function compareExactly(tensor: string, actual: readonly unknown[], expected: readonly unknown[]): Comparison {
  const length = Math.max(actual.length, expected.length);
  let different = 0;
  for (let i = 0; i < length; i++) if (JSON.stringify(actual[i]) !== JSON.stringify(expected[i])) different++;
  return { tensor, maxError: different, tolerance: 0, passed: different === 0 };
}
