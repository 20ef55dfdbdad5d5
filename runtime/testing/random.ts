import { Generator } from '../generator.ts';
import { type Shape, sizeOf } from '../tensor.ts';

/** Uniform values in [low, high), fixed by the seed. */
export function randomArray(shape: Shape, seed: number, low = -1, high = 1): Float32Array {
  const generator = new Generator(seed);
  return Float32Array.from({ length: sizeOf(shape) }, () => low + (high - low) * generator.uniform());
}

/** Uniform integers in [low, high), fixed by the seed. For a binding of u32: `Uint32Array.from(randomIntegers(…))`. */
export function randomIntegers(shape: Shape, seed: number, low: number, high: number): Int32Array {
  const generator = new Generator(seed);
  return Int32Array.from({ length: sizeOf(shape) }, () => low + generator.integer(high - low));
}

/** f32 values that shaders get wrong. WGSL lets an implementation take denormals for zero. */
export const EXTREMES = {
  zeros: [0, -0],
  denormals: [2 ** -149, -(2 ** -149), 2 ** -126 - 2 ** -149],
  limits: [2 ** -126, -(2 ** -126), (2 - 2 ** -23) * 2 ** 127, -(2 - 2 ** -23) * 2 ** 127],
  infinities: [Infinity, -Infinity],
  nan: [NaN],
} as const;
/** Kinds of values in {@link EXTREMES}. */
export type Extreme = keyof typeof EXTREMES;

/**
 * A copy with extreme values in random places, fixed by the seed: each of them once at least where there is room, in an
 * eighth of the elements where there is more.
 */
export function withExtremes(
  values: ArrayLike<number>,
  seed: number,
  kinds: readonly Extreme[] = ['zeros', 'denormals', 'limits'],
): Float32Array {
  const extremes = kinds.flatMap((kind): readonly number[] => EXTREMES[kind]);
  const result = Float32Array.from(values);
  const count = Math.min(result.length, Math.max(extremes.length, Math.floor(result.length / 8)));
  const places = new Generator(seed).permutation(result.length).subarray(0, count);
  places.forEach((place, i) => {
    result[place] = extremes[i % extremes.length];
  });
  return result;
}
