/** Plain f64 references of the elementwise kernels. */

/** a + b, or max(0, a + b). */
export const add = (a: ArrayLike<number>, b: ArrayLike<number>, relu: boolean): Float64Array =>
  Float64Array.from(a, (v, i) => (relu ? Math.max(0, v + b[i]) : v + b[i]));

/** a·b. */
export const multiply = (a: ArrayLike<number>, b: ArrayLike<number>): Float64Array =>
  Float64Array.from(a, (v, i) => v * b[i]);

/** max(0, x). */
export const relu = (x: ArrayLike<number>): Float64Array => Float64Array.from(x, (v) => Math.max(0, v));

/** 1/(1 + e^−x). */
export const sigmoid = (x: ArrayLike<number>): Float64Array => Float64Array.from(x, (v) => 1 / (1 + Math.exp(-v)));

/** dy where y is positive, else 0. */
export const reluBackward = (dy: ArrayLike<number>, y: ArrayLike<number>): Float64Array =>
  Float64Array.from(dy, (g, i) => (y[i] > 0 ? g : 0));

/** dy·y·(1 − y). */
export const sigmoidBackward = (dy: ArrayLike<number>, y: ArrayLike<number>): Float64Array =>
  Float64Array.from(dy, (g, i) => g * y[i] * (1 - y[i]));

/** ½(a − b)² where |a − b| < 1, else |a − b| − ½. */
export const smoothL1 = (a: ArrayLike<number>, b: ArrayLike<number>): Float64Array =>
  Float64Array.from(a, (v, i) => {
    const d = Math.abs(v - b[i]);
    return d < 1 ? (d * d) / 2 : d - 0.5;
  });
