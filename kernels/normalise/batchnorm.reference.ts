/** Plain f64 references of batch normalisation. */
import type { BatchNormShape } from './batchnorm.ts';

const channelOf = (i: number, { channels, plane }: BatchNormShape): number => Math.floor(i / plane) % channels;

/** Mean and biased variance of every channel. */
export function batchStatistics(x: ArrayLike<number>, shape: BatchNormShape) {
  const count = shape.batch * shape.plane;
  const mean = new Float64Array(shape.channels);
  const variance = new Float64Array(shape.channels);
  for (let i = 0; i < x.length; i++) mean[channelOf(i, shape)] += x[i] / count;
  for (let i = 0; i < x.length; i++) variance[channelOf(i, shape)] += (x[i] - mean[channelOf(i, shape)]) ** 2 / count;
  return { mean, variance };
}

interface Affine extends BatchNormShape {
  readonly weight: ArrayLike<number>;
  readonly mean: ArrayLike<number>;
  readonly variance: ArrayLike<number>;
  readonly eps: number;
}

/**
 * y = weight·(x − mean)/√(variance + eps) + bias (+ residual), through max(0, ·) when `relu`: x, residual and y
 * [N, C, H, W], the others [C].
 */
export function batchNorm(
  x: ArrayLike<number>,
  shape: Affine & { bias: ArrayLike<number>; residual?: ArrayLike<number>; relu: boolean },
): Float64Array {
  const { weight, bias, mean, variance, eps, residual, relu } = shape;
  return Float64Array.from(x, (v, i) => {
    const c = channelOf(i, shape);
    const y = (weight[c] * (v - mean[c])) / Math.sqrt(variance[c] + eps) + bias[c] + (residual?.[i] ?? 0);
    return relu ? Math.max(0, y) : y;
  });
}

/** Gradients from g, the gradient before any ReLU. */
export function batchNormBackward(g: ArrayLike<number>, x: ArrayLike<number>, shape: Affine & { training: boolean }) {
  const { weight, mean, variance, eps, training, channels } = shape;
  const count = shape.batch * shape.plane;
  const dweight = new Float64Array(channels);
  const dbias = new Float64Array(channels);
  const normal = Float64Array.from(x, (v, i) => {
    const c = channelOf(i, shape);
    return (v - mean[c]) / Math.sqrt(variance[c] + eps);
  });
  for (let i = 0; i < x.length; i++) {
    dweight[channelOf(i, shape)] += g[i] * normal[i];
    dbias[channelOf(i, shape)] += g[i];
  }
  const dx = Float64Array.from(x, (_, i) => {
    const c = channelOf(i, shape);
    const centred = training ? g[i] - dbias[c] / count - (normal[i] * dweight[c]) / count : g[i];
    return (weight[c] / Math.sqrt(variance[c] + eps)) * centred;
  });
  return { dx, dweight, dbias };
}
