/** Plain f64 references of the sums. */
export const sum = (x: ArrayLike<number>): number => Array.from(x).reduce((a, b) => a + b, 0);

export const sumOfSquares = (x: ArrayLike<number>): number => Array.from(x).reduce((a, b) => a + b * b, 0);
