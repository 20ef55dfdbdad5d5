/** Plain f64 references of softmax. */
import type { SoftmaxShape } from './softmax.ts';

/** The flat indices of every vector that sums to 1. */
function vectors({ rows, columns, dim }: SoftmaxShape): number[][] {
  const [count, length] = dim === 0 ? [columns, rows] : [rows, columns];
  return Array.from({ length: count }, (_, v) =>
    Array.from({ length }, (_, k) => (dim === 0 ? k * columns + v : v * columns + k)),
  );
}

/** y of x [N, K], whose rows (dim 1) or columns (dim 0) sum to 1. */
export function softmax(x: ArrayLike<number>, shape: SoftmaxShape): Float64Array {
  const y = new Float64Array(x.length);
  for (const indices of vectors(shape)) {
    const largest = Math.max(...indices.map((i) => x[i]));
    const sum = indices.reduce((s, i) => s + Math.exp(x[i] - largest), 0);
    for (const i of indices) y[i] = Math.exp(x[i] - largest) / sum;
  }
  return y;
}

/** dx = y·(dy − Σ dy·y), all [N, K]. */
export function softmaxBackward(dy: ArrayLike<number>, y: ArrayLike<number>, shape: SoftmaxShape): Float64Array {
  const dx = new Float64Array(y.length);
  for (const indices of vectors(shape)) {
    const sum = indices.reduce((s, i) => s + dy[i] * y[i], 0);
    for (const i of indices) dx[i] = y[i] * (dy[i] - sum);
  }
  return dx;
}
