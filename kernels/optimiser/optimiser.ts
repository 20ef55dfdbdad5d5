/**
 * Updates of flat parameter arrays p [n] from their gradients, in place. The gradient is first multiplied by
 * scale [1], which is {@link clipFactor}'s result, or 1.
 *
 * - `sgd`         PyTorch's SGD with (Nesterov) momentum and coupled weight decay, no dampening
 * - `adamW`       Adam with decoupled weight decay (Loshchilov & Hutter 2019; PyTorch's AdamW)
 * - `clipFactor`  the factor that bounds the norm of all gradients together (PyTorch's clip_grad_norm_)
 *
 * CPU references: optimiser.reference.ts.
 */
import { defineKernel, f32, type Kernel, linearGrid, read, u32, wgsl, write } from '../kernel.ts';
import { workgroupSum } from '../reduce/workgroup-sum.ts';

const WORKGROUP = 64;
/** Elements that one workgroup updates, 16 an invocation: they share the scale and the cost of an invocation. */
const SPAN = 16 * WORKGROUP;

/** WGSL: `main`, which runs `body` for every element i. */
const forEachElement = (body: string): string => `
@compute @workgroup_size(${WORKGROUP})
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let factor = scale[0];
  let first = (group.x + group.y * groups.x) * ${SPAN}u;
  let end = min(u.n, first + ${SPAN}u);
  for (var i = first + lane; i < end; i += ${WORKGROUP}u) {${body}
  }
}`;

/** What both updates need. */
export interface UpdateOptions {
  /** Elements of the parameter array. */
  readonly n: number;
  /** Learning rate of this step. */
  readonly lr: number;
  /** λ: SGD adds λ·p to the gradient, AdamW shrinks p by lr·λ. */
  readonly weightDecay: number;
}

/** Momentum of {@link sgd}: v = μ·v + gradient. */
export interface SgdMomentum {
  /** μ. */
  readonly momentum: number;
  /** Looks one step of momentum ahead. */
  readonly nesterov?: boolean;
}

/**
 * g = scale·grad + weightDecay·p; momentum = μ·momentum + g; p −= lr·momentum, with `nesterov` lr·(g + μ·momentum).
 * Momentum starts at zero, which equals PyTorch's copy of the first gradient.
 * Binds p, grad and momentum [n], scale [1].
 */
export function sgd({
  n,
  lr,
  weightDecay,
  momentum,
  nesterov = false,
}: UpdateOptions & SgdMomentum): Kernel<'p' | 'grad' | 'momentum' | 'scale'> {
  return defineKernel({
    name: 'optimiser.sgd',
    constants: { nesterov },
    bindings: { p: write(), grad: read(), momentum: write(), scale: read() },
    uniforms: { n: u32(n), lr: f32(lr), weightDecay: f32(weightDecay), mu: f32(momentum) },
    grid: linearGrid(n, SPAN),
    flops: 7 * n,
    bytes: 20 * n,
    source: (constants) =>
      forEachElement(wgsl`
    let value = p[i];
    let g = factor * grad[i];
    let change = u.mu * momentum[i] + g + u.weightDecay * value;
    momentum[i] = change;
#if ${constants.nesterov}
    p[i] = value - u.lr * (g + u.weightDecay * value + u.mu * change);
#else
    p[i] = value - u.lr * change;
#endif`),
  });
}

/**
 * m = β₁m + (1 − β₁)g, v = β₂v + (1 − β₂)g² with g = scale·grad;
 * p = (1 − lr·weightDecay)·p − lr·m̂/(√v̂ + epsilon), m̂ = m/(1 − β₁^step), v̂ = v/(1 − β₂^step). `step` counts from 1.
 * Binds p, grad, m and v [n], scale [1].
 */
export function adamW({
  n,
  lr,
  weightDecay,
  betas: [beta1, beta2],
  epsilon,
  step,
}: UpdateOptions & {
  betas: readonly [number, number];
  epsilon: number;
  step: number;
}): Kernel<'p' | 'grad' | 'm' | 'v' | 'scale'> {
  return defineKernel({
    name: 'optimiser.adamW',
    bindings: { p: write(), grad: read(), m: write(), v: write(), scale: read() },
    uniforms: {
      n: u32(n),
      keep: f32(1 - lr * weightDecay),
      rate: f32(lr / (1 - beta1 ** step)),
      beta1: f32(beta1),
      fresh1: f32(1 - beta1),
      beta2: f32(beta2),
      fresh2: f32(1 - beta2),
      unbias2: f32(1 / Math.sqrt(1 - beta2 ** step)),
      epsilon: f32(epsilon),
    },
    grid: linearGrid(n, SPAN),
    flops: 14 * n,
    bytes: 28 * n,
    source: () =>
      forEachElement(`
    let g = factor * grad[i];
    let mean = u.beta1 * m[i] + u.fresh1 * g;
    let square = u.beta2 * v[i] + u.fresh2 * g * g;
    m[i] = mean;
    v[i] = square;
    p[i] = u.keep * p[i] - u.rate * mean / (sqrt(square) * u.unbias2 + u.epsilon);`),
  });
}

/**
 * scale[0] = min(1, maxNorm/(√Σ partial + 10⁻⁶)), from `partials` partial sums of squares of all gradients.
 * Binds partial [parts] and scale [1].
 */
export function clipFactor({ partials, maxNorm }: { partials: number; maxNorm: number }): Kernel<'partial' | 'scale'> {
  return defineKernel({
    name: 'optimiser.clipFactor',
    bindings: { partial: read(), scale: write() },
    uniforms: { partials: u32(partials), maxNorm: f32(maxNorm) },
    grid: [1, 1, 1],
    flops: partials,
    bytes: 4 * partials,
    source: () => wgsl`${workgroupSum(WORKGROUP)}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(local_invocation_index) lane: u32) {
  var sum = 0.0;
  for (var i = lane; i < u.partials; i += ${WORKGROUP}u) { sum += partial[i]; }
  let total = workgroupSum(sum, lane);
  if (lane == 0u) { scale[0] = min(1.0, u.maxNorm / (sqrt(total) + 1e-6)); }
}`,
  });
}
