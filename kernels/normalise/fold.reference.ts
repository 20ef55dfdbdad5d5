/** Plain f64 references of folding a frozen batch normalisation into a convolution. */
import type { FoldShape } from './fold.ts';

interface Folding extends FoldShape {
  readonly eps: number;
  readonly weight: ArrayLike<number>;
  readonly bias: ArrayLike<number> | null;
  readonly gamma: ArrayLike<number>;
  readonly beta: ArrayLike<number>;
  readonly mean: ArrayLike<number>;
  readonly variance: ArrayLike<number>;
}

const each = <T>(count: number, value: (c: number) => T): T[] => Array.from({ length: count }, (_, c) => value(c));

/**
 * The folded weight [C, size], and `rows` [4, C], that is shift, scale, 1/√(variance + eps), mean − bias of the convolution.
 */
export function foldBatchNorm({ channels, size, eps, weight, bias, gamma, beta, mean, variance }: Folding) {
  const inverse = each(channels, (c) => 1 / Math.sqrt(variance[c] + eps));
  const scale = inverse.map((v, c) => gamma[c] * v);
  const center = each(channels, (c) => mean[c] - (bias ? bias[c] : 0));
  const shift = scale.map((v, c) => beta[c] - center[c] * v);
  const folded = each(channels * size, (i) => weight[i] * scale[Math.floor(i / size)]);
  return { folded, rows: [...shift, ...scale, ...inverse, ...center] };
}

/**
 * Gradients of weight [C, size], gamma, beta and the convolution's bias [C], from those of the folded weight and
 * the shift.
 */
export function foldBatchNormBackward(folding: Folding, dfolded: ArrayLike<number>, dshift: ArrayLike<number>) {
  const { channels, size, weight } = folding;
  const { rows } = foldBatchNorm(folding);
  const [scale, inverse, center] = [1, 2, 3].map((row) => rows.slice(row * channels, (row + 1) * channels));
  const dgamma = each(channels, (c) => -center[c] * dshift[c] * inverse[c]);
  for (let i = 0; i < channels * size; i++) {
    const c = Math.floor(i / size);
    dgamma[c] += weight[i] * dfolded[i] * inverse[c];
  }
  return {
    dweight: each(channels * size, (i) => dfolded[i] * scale[Math.floor(i / size)]),
    dgamma,
    dbeta: each(channels, (c) => dshift[c]),
    dbias: each(channels, (c) => dshift[c] * scale[c]),
  };
}
