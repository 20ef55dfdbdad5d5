/** x with the elements dropped whose number, in [0, 1), is below `rate`; the others divided by 1 − rate. */
export const dropout = (x: ArrayLike<number>, numbers: ArrayLike<number>, rate: number): Float64Array =>
  Float64Array.from(x, (value, i) => (numbers[i] < rate ? 0 : value / (1 - rate)));
