/**
 * Batch normalisation of x [N, C, H, W] per channel (Ioffe & Szegedy 2015; PyTorch's BatchNorm2d):
 *
 *     y = weight·(x − mean)/√(variance + eps) + bias (+ residual), through max(0, ·) when asked
 *
 * Statistics are either those of the batch (training) or given ones (frozen). `plane` is H·W.
 *
 * - `batchNormStatistics`  mean and biased variance of the batch, and the running statistics' update
 * - `batchNorm`            y from given statistics, with the residual addition and ReLU fused
 * - `batchNormReduce`      gradients of weight and bias, and the sums that training's dx needs
 * - `batchNormBackward`    gradients of x and of the residual
 *
 * CPU references: batchnorm.reference.ts.
 */
import { type Element, elementOf, sumOf, widthOf } from '../element.ts';
import { type Binding, defineKernel, f32, type Grid, type Kernel, read, u32, wgsl, write } from '../kernel.ts';
import { forEachInChannel } from '../reduce/channel-loop.ts';
import { workgroupSum } from '../reduce/workgroup-sum.ts';

const WORKGROUP = 64;
/** Elements of a plane that one workgroup maps: the channel's constants are loaded once for eight or four of them. */
const SPAN = { f32: 8 * WORKGROUP, vec4f: 4 * WORKGROUP } as const;

/** x [batch, channels, plane]. */
export interface BatchNormShape {
  /** N. */
  readonly batch: number;
  /** C. */
  readonly channels: number;
  /** H·W. */
  readonly plane: number;
}

const sizeOf = ({ batch, channels, plane }: BatchNormShape): number => batch * channels * plane;

/** Elements of a plane. */
const elementsOf = ({ plane }: BatchNormShape): number => plane / widthOf(elementOf(plane));

const planeGrid = (shape: BatchNormShape): Grid => [
  Math.ceil(elementsOf(shape) / SPAN[elementOf(shape.plane)]),
  shape.channels,
  shape.batch,
];

/** Head of a kernel whose workgroups each map a span of one plane; declares the channel `c`; i runs over elements. */
const forEachInSpan = (element: Element, prepare: string, body: string): string => `
alias Element = ${element};
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let c = group.y;
  let base = (group.z * u.channels + c) * u.plane;
  ${prepare}
  let end = base + min(u.plane, (group.x + 1u) * ${SPAN[element]}u);
  for (var i = base + group.x * ${SPAN[element]}u + lane; i < end; i += ${WORKGROUP}u) {${body}
  }
}`;

/**
 * mean[c] and variance[c] (biased, about the mean) of the batch; running = (1 − momentum)·running + momentum·batch,
 * with the unbiased variance.
 * Binds x [N, C, H, W], mean, variance, runningMean and runningVar [C].
 */
export function batchNormStatistics({
  momentum,
  ...shape
}: BatchNormShape & { momentum: number }): Kernel<'x' | 'mean' | 'variance' | 'runningMean' | 'runningVar'> {
  const { batch, channels, plane } = shape;
  const count = batch * plane;
  const element = elementOf(plane);
  return defineKernel({
    name: 'normalise.batchNormStatistics',
    constants: { element },
    bindings: {
      x: read(element),
      mean: write(),
      variance: write(),
      runningMean: write(),
      runningVar: write(),
    },
    uniforms: {
      batch: u32(batch),
      channels: u32(channels),
      plane: u32(elementsOf(shape)),
      count: f32(count),
      momentum: f32(momentum),
      unbias: f32(count / Math.max(1, count - 1)),
    },
    grid: [channels, 1, 1],
    flops: 4 * sizeOf(shape),
    bytes: 4 * sizeOf(shape),
    source: ({ element }) => wgsl`${workgroupSum(WORKGROUP)}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let c = group.x;
  var sum = ${element}();
  ${forEachInChannel(WORKGROUP, 'sum += x[i];')}
  let center = workgroupSum(${sumOf(element, 'sum')}, lane) / u.count;
  var squares = ${element}();
  ${forEachInChannel(WORKGROUP, 'let d = x[i] - center; squares += d * d;')}
  let spread = workgroupSum(${sumOf(element, 'squares')}, lane) / u.count;
  if (lane == 0u) {
    mean[c] = center;
    variance[c] = spread;
    runningMean[c] = mix(runningMean[c], center, u.momentum);
    runningVar[c] = mix(runningVar[c], spread * u.unbias, u.momentum);
  }
}`,
  });
}

/**
 * y = weight·(x − mean)/√(variance + eps) + bias from given statistics, plus the residual, through max(0, ·) when
 * asked. Without a residual its binding is not read: bind x.
 * Binds x, residual and y [N, C, H, W], weight, bias, mean and variance [C].
 */
export function batchNorm({
  eps,
  residual,
  relu,
  ...shape
}: BatchNormShape & { eps: number; residual: boolean; relu: boolean }): Kernel<
  'x' | 'weight' | 'bias' | 'mean' | 'variance' | 'residual' | 'y'
> {
  const { channels } = shape;
  const element = elementOf(shape.plane);
  return defineKernel({
    name: 'normalise.batchNorm',
    constants: { residual, relu, element },
    bindings: {
      x: read(element),
      weight: read(),
      bias: read(),
      mean: read(),
      variance: read(),
      residual: read(element),
      y: write(element),
    },
    uniforms: { channels: u32(channels), plane: u32(elementsOf(shape)), eps: f32(eps) },
    grid: planeGrid(shape),
    flops: 4 * sizeOf(shape),
    bytes: (residual ? 12 : 8) * sizeOf(shape),
    source: (constants) =>
      wgsl`${forEachInSpan(
        constants.element,
        `let scale = weight[c] * inverseSqrt(variance[c] + u.eps);
  let center = mean[c];
  let shift = bias[c];`,
        wgsl`
    var v = (x[i] - center) * scale + shift;
#if ${constants.residual}
    v += residual[i];
#endif
#if ${constants.relu}
    v = max(v, Element());
#endif
    y[i] = v;`,
      )}`,
  });
}

/**
 * dbias[c] (+)= Σ g and dweight[c] (+)= Σ g·(x − mean)/√(variance + eps), where g is dy, masked by y > 0 when `relu`
 * (else y is not read: bind x). For training also writes what {@link batchNormBackward} needs, as
 * sums [4, C]: Σ g, Σ g·x̂, mean, variance.
 */
export function batchNormReduce({
  eps,
  relu,
  training,
  accumulateWeight,
  accumulateBias,
  ...shape
}: BatchNormShape & {
  eps: number;
  relu: boolean;
  training: boolean;
  accumulateWeight: boolean;
  accumulateBias: boolean;
}): Kernel {
  const { batch, channels } = shape;
  const element = elementOf(shape.plane);
  const bindings: Record<string, Binding> = {
    dy: read(element),
    y: read(element),
    x: read(element),
    mean: read(),
    variance: read(),
    dweight: write(),
    dbias: write(),
    ...(training ? { sums: write() } : {}),
  };
  return defineKernel({
    name: 'normalise.batchNormReduce',
    constants: { relu, training, element },
    bindings,
    uniforms: {
      batch: u32(batch),
      channels: u32(channels),
      plane: u32(elementsOf(shape)),
      eps: f32(eps),
      accumulateWeight: u32(accumulateWeight ? 1 : 0),
      accumulateBias: u32(accumulateBias ? 1 : 0),
    },
    grid: [channels, 1, 1],
    flops: 4 * sizeOf(shape),
    bytes: (relu ? 12 : 8) * sizeOf(shape),
    source: (c) => wgsl`${workgroupSum(WORKGROUP)}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let c = group.x;
  let center = mean[c];
  var sum = ${c.element}();
  var weighted = ${c.element}();
  ${forEachInChannel(
    WORKGROUP,
    c.relu
      ? `let g = select(${c.element}(), dy[i], y[i] > ${c.element}()); sum += g; weighted += g * (x[i] - center);`
      : 'let g = dy[i]; sum += g; weighted += g * (x[i] - center);',
  )}
  let total = workgroupSum(${sumOf(c.element, 'sum')}, lane);
  let spread = variance[c];
  let totalWeighted = workgroupSum(${sumOf(c.element, 'weighted')}, lane) * inverseSqrt(spread + u.eps);
  if (lane == 0u) {
    dweight[c] = totalWeighted + select(0.0, dweight[c], u.accumulateWeight == 1u);
    dbias[c] = total + select(0.0, dbias[c], u.accumulateBias == 1u);
#if ${c.training}
    sums[c] = total;
    sums[u.channels + c] = totalWeighted;
    sums[2u * u.channels + c] = center;
    sums[3u * u.channels + c] = spread;
#endif
  }
}`,
  });
}

interface BatchNormBackward extends BatchNormShape {
  readonly eps: number;
  readonly relu: boolean;
  readonly accumulate: boolean;
  /** Also write the residual's gradient, dresidual (+)= g; absent otherwise. */
  readonly residual?: { readonly accumulate: boolean };
  readonly training: boolean;
}

/**
 * dx (+)= weight/√(variance + eps)·g, and in training less what the batch statistics take away:
 * g − Σg/M − x̂·Σ(g·x̂)/M with M = N·H·W (Ioffe & Szegedy 2015, section 3).
 *
 * Bindings: dy; y (read when `relu`); weight; frozen: variance; training: x and the sums of {@link batchNormReduce};
 * dx; dresidual when asked.
 */
export function batchNormBackward({ eps, relu, accumulate, residual, training, ...shape }: BatchNormBackward): Kernel {
  const { batch, channels, plane } = shape;
  const element = elementOf(shape.plane);
  const bindings: Record<string, Binding> = {
    dy: read(element),
    y: read(element),
    weight: read(),
    ...(training ? { x: read(element), sums: read() } : { variance: read() }),
    dx: write(element),
    ...(residual ? { dresidual: write(element) } : {}),
  };
  return defineKernel({
    name: 'normalise.batchNormBackward',
    // Loads that are not wanted cost as much as others, were they but selected.
    constants: { relu, training, residual: residual !== undefined, accumulate, element },
    bindings,
    uniforms: {
      channels: u32(channels),
      plane: u32(elementsOf(shape)),
      eps: f32(eps),
      share: f32(1 / (batch * plane)),
      accumulateResidual: u32(residual?.accumulate ? 1 : 0),
    },
    grid: planeGrid(shape),
    flops: (training ? 6 : 2) * sizeOf(shape),
    bytes: 4 * (2 + (relu ? 1 : 0) + (training ? 1 : 0) + (residual ? 1 : 0)) * sizeOf(shape),
    source: (constants) =>
      wgsl`${forEachInSpan(
        constants.element,
        wgsl`
#if ${constants.training}
  let center = sums[2u * u.channels + c];
  let inverse = inverseSqrt(sums[3u * u.channels + c] + u.eps);
  let offset = sums[c] * u.share;
  let slope = sums[u.channels + c] * inverse * u.share;
#else
  let inverse = inverseSqrt(variance[c] + u.eps);
#endif
  let scale = weight[c] * inverse;`,
        wgsl`
#if ${constants.relu}
    let g = select(Element(), dy[i], y[i] > Element());
#else
    let g = dy[i];
#endif
#if ${constants.training}
    let d = scale * (g - offset - (x[i] - center) * slope);
#else
    let d = scale * g;
#endif
#if ${constants.accumulate}
    dx[i] += d;
#else
    dx[i] = d;
#endif
#if ${constants.residual}
    dresidual[i] = g + select(Element(), dresidual[i], u.accumulateResidual == 1u);
#endif`,
      )}`,
  });
}
