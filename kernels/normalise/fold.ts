/**
 * A frozen batch normalisation folded into the convolution before it, weight [C, …], so that the two are one convolution:
 *
 *     γ·(conv(x, w) + b − mean)/√(variance + eps) + β  =  conv(x, w·scale) + shift
 *     scale = γ/√(variance + eps)          shift = β + (b − mean)·scale
 *
 * - `foldBatchNorm`          the folded weight, and `rows` [4, C]: shift, scale, 1/√(variance + eps), mean − b
 * - `foldBatchNormBackward`  gradients of w, γ, β and b from those of the folded weight and of the shift
 *
 * `size` is the number of weights of an output channel. CPU references: fold.reference.ts.
 */
import { type Binding, defineKernel, f32, type Kernel, read, u32, wgsl, write } from '../kernel.ts';
import { workgroupSum } from '../reduce/workgroup-sum.ts';

const WORKGROUP = 64;

/** The weight of a convolution [channels, size]. */
export interface FoldShape {
  /** Output channels of the convolution, which the batch normalisation normalises. */
  readonly channels: number;
  /** Weights of an output channel: input channels · kernel height · kernel width. */
  readonly size: number;
}

/**
 * folded = weight·scale, and `rows` = shift, scale, 1/√(variance + eps), mean − b. Bind any f32 tensor as bias, that of
 * the convolution, when `bias` is false.
 * Binds weight and folded [C, size], bias, gamma, beta, mean and variance [C], rows [4, C].
 */
export function foldBatchNorm({
  channels,
  size,
  eps,
  bias,
}: FoldShape & { eps: number; bias: boolean }): Kernel<
  'weight' | 'bias' | 'gamma' | 'beta' | 'mean' | 'variance' | 'folded' | 'rows'
> {
  return defineKernel({
    name: 'normalise.foldBatchNorm',
    bindings: {
      weight: read(),
      bias: read(),
      gamma: read(),
      beta: read(),
      mean: read(),
      variance: read(),
      folded: write(),
      rows: write(),
    },
    uniforms: { channels: u32(channels), size: u32(size), eps: f32(eps), useBias: u32(bias ? 1 : 0) },
    grid: [channels, 1, 1],
    flops: channels * size,
    bytes: 8 * channels * size,
    source: () => wgsl`
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let c = group.x;
  let inverse = inverseSqrt(variance[c] + u.eps);
  let scale = gamma[c] * inverse;
  for (var i = c * u.size + lane; i < (c + 1u) * u.size; i += ${WORKGROUP}u) { folded[i] = weight[i] * scale; }
  if (lane > 0u) { return; }
  var center = mean[c];
  if (u.useBias == 1u) { center -= bias[c]; }
  rows[c] = beta[c] - center * scale;
  rows[u.channels + c] = scale;
  rows[2u * u.channels + c] = inverse;
  rows[3u * u.channels + c] = center;
}`,
  });
}

/** Whether each gradient adds to what is there; without `bias` the convolution has none. */
export interface FoldAccumulation {
  /** To the gradient of w. */
  readonly weight: boolean;
  /** To the gradient of γ, the weight of the batch normalisation. */
  readonly gamma: boolean;
  /** To the gradient of β, its bias. */
  readonly beta: boolean;
  /** To the gradient of b. */
  readonly bias?: boolean;
}

/**
 * dweight (+)= dfolded·scale, dgamma (+)= (Σ weight·dfolded − (mean − b)·dshift)/√(variance + eps), dbeta (+)= dshift and
 * dbias (+)= dshift·scale; `rows` as {@link foldBatchNorm} wrote them.
 */
export function foldBatchNormBackward({
  channels,
  size,
  accumulate,
}: FoldShape & { accumulate: FoldAccumulation }): Kernel {
  const bias = accumulate.bias !== undefined;
  const bindings: Record<string, Binding> = {
    dfolded: read(),
    dshift: read(),
    weight: read(),
    rows: read(),
    dweight: write(),
    dgamma: write(),
    dbeta: write(),
    ...(bias ? { dbias: write() } : {}),
  };
  const flag = (on: boolean | undefined) => u32(on ? 1 : 0);
  return defineKernel({
    name: 'normalise.foldBatchNormBackward',
    constants: { bias },
    bindings,
    uniforms: {
      channels: u32(channels),
      size: u32(size),
      addWeight: flag(accumulate.weight),
      addGamma: flag(accumulate.gamma),
      addBeta: flag(accumulate.beta),
      addBias: flag(accumulate.bias),
    },
    grid: [channels, 1, 1],
    flops: 3 * channels * size,
    bytes: 12 * channels * size,
    source: (constants) => wgsl`${workgroupSum(WORKGROUP)}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let c = group.x;
  let scale = rows[u.channels + c];
  var sum = 0.0;
  for (var i = c * u.size + lane; i < (c + 1u) * u.size; i += ${WORKGROUP}u) {
    let g = dfolded[i];
    sum += weight[i] * g;
    dweight[i] = g * scale + select(0.0, dweight[i], u.addWeight == 1u);
  }
  let total = workgroupSum(sum, lane);
  if (lane > 0u) { return; }
  let g = dshift[c];
  dgamma[c] = (total - rows[3u * u.channels + c] * g) * rows[2u * u.channels + c] +
    select(0.0, dgamma[c], u.addGamma == 1u);
  dbeta[c] = g + select(0.0, dbeta[c], u.addBeta == 1u);
#if ${constants.bias}
  dbias[c] = g * scale + select(0.0, dbias[c], u.addBias == 1u);
#endif
}`,
  });
}
