/** Plain f64 references of the optimisers: they return the new values. */
import type { SgdMomentum, UpdateOptions } from './optimiser.ts';

/** Parameters and momentum [n] after a step of PyTorch's SGD. */
export function sgd(
  { p, grad, momentum, scale }: Record<'p' | 'grad' | 'momentum', ArrayLike<number>> & { scale: number },
  { lr, weightDecay, momentum: mu, nesterov = false }: Omit<UpdateOptions, 'n'> & SgdMomentum,
) {
  const gradient = Float64Array.from(p, (v, i) => scale * grad[i] + weightDecay * v);
  const buffer = Float64Array.from(momentum, (b, i) => mu * b + gradient[i]);
  const change = nesterov ? buffer.map((b, i) => gradient[i] + mu * b) : buffer;
  return { p: Float64Array.from(p, (v, i) => v - lr * change[i]), momentum: buffer };
}

/** Parameters and both moments [n] after step `step`, which counts from 1, of PyTorch's AdamW. */
export function adamW(
  { p, grad, m, v, scale }: Record<'p' | 'grad' | 'm' | 'v', ArrayLike<number>> & { scale: number },
  options: Omit<UpdateOptions, 'n'> & { betas: readonly [number, number]; epsilon: number; step: number },
) {
  const { lr, weightDecay, betas, epsilon, step } = options;
  const first = Float64Array.from(m, (value, i) => betas[0] * value + (1 - betas[0]) * scale * grad[i]);
  const second = Float64Array.from(v, (value, i) => betas[1] * value + (1 - betas[1]) * (scale * grad[i]) ** 2);
  const updated = Float64Array.from(p, (value, i) => {
    const mean = first[i] / (1 - betas[0] ** step);
    const spread = Math.sqrt(second[i] / (1 - betas[1] ** step));
    return value * (1 - lr * weightDecay) - (lr * mean) / (spread + epsilon);
  });
  return { p: updated, m: first, v: second };
}

/** The factor, at most 1, that brings the norm of all gradients down to `maxNorm`. */
export const clipFactor = (gradients: ArrayLike<number>, maxNorm: number): number =>
  Math.min(1, maxNorm / (Math.hypot(...Array.from(gradients)) + 1e-6));
