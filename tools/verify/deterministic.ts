/** Weights of full-size networks that golden files describe by a recipe, instead of holding them. */

/** A stretch of a tensor's elements. */
interface Stretch {
  readonly first: number;
  readonly count: number;
}

/** hash(seed, i) of the recipe, scaled: offset + scale · s with s in [−1, 1). */
export function deterministicValues(
  k: number,
  { first, count }: Stretch,
  salt: number,
  scale: number,
  offset: number,
): Float32Array {
  const values = new Float32Array(count);
  const seed = (Math.imul(k + 1, 0x85ebca77) + salt) >>> 0;
  for (let i = 0; i < count; i++) {
    let h = (Math.imul(first + i + 1, 0x9e3779b1) + seed) | 0;
    h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
    h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
    h = (h ^ (h >>> 16)) >>> 0;
    values[i] = offset + scale * (h / 2 ** 31 - 1);
  }
  return values;
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/**
 * The tensor that stands at place `k` of a network's state dict: running_mean 0.1·s, running_var 1 + 0.5·s, weights of
 * layers s·√3·gain/√fan_in, biases 0.1·s, weights of a batch norm 1 + 0.3·s. All of it, or a stretch.
 */
export function deterministicTensor(
  k: number,
  name: string,
  shape: readonly number[],
  salt: number,
  gain: number,
  stretch: Stretch = { first: 0, count: sizeOf(shape) },
): Float32Array {
  if (name.endsWith('running_mean')) return deterministicValues(k, stretch, salt, 0.1, 0);
  if (name.endsWith('running_var')) return deterministicValues(k, stretch, salt, 0.5, 1);
  if (shape.length >= 2) {
    return deterministicValues(k, stretch, salt, (Math.sqrt(3) * gain) / Math.sqrt(sizeOf(shape) / shape[0]), 0);
  }
  return name.endsWith('bias')
    ? deterministicValues(k, stretch, salt, 0.1, 0)
    : deterministicValues(k, stretch, salt, 0.3, 1);
}

/** The input of a network whose state dict has `k` tensors: 2·s. */
export const deterministicInput = (k: number, shape: readonly number[], salt: number): Float32Array =>
  deterministicValues(k, { first: 0, count: sizeOf(shape) }, salt, 2, 0);
