/** Plain f64 references of the sums. */

/** Σ x. */
export const sum = (x: ArrayLike<number>): number => Array.from(x).reduce((a, b) => a + b, 0);

/** Σ x². */
export const sumOfSquares = (x: ArrayLike<number>): number => Array.from(x).reduce((a, b) => a + b * b, 0);
