/** Plain f64 reference of the matrix product. */
import type { GemmShape } from './shape.ts';

/** op(A)·op(B) + bias [n], through max(0, ·) when `relu`; row-major [m,n]. */
export function gemm(
  { m, n, k, transposeA = false, transposeB = false }: GemmShape,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  bias: ArrayLike<number> | null = null,
  relu = false,
): Float64Array {
  const c = new Float64Array(m * n);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let l = 0; l < k; l++) sum += a[transposeA ? l * m + i : i * k + l] * b[transposeB ? j * k + l : l * n + j];
      if (bias) sum += bias[j];
      c[i * n + j] = relu ? Math.max(0, sum) : sum;
    }
  return c;
}
