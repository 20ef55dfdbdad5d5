import type { Generator } from '@cim/runtime';

/** Initial values of a parameter of `size` elements. */
export type Initialiser = (generator: Generator, size: number) => Float32Array;

export const constant =
  (value: number): Initialiser =>
  (_, size) =>
    new Float32Array(size).fill(value);

/** Uniform in ±bound. PyTorch's default of Conv2d and Linear is bound = 1/√fan_in, for weight and bias. */
export const uniform =
  (bound: number): Initialiser =>
  (generator, size) =>
    Float32Array.from({ length: size }, () => bound * (2 * generator.uniform() - 1));

/** Normal with mean 0. He initialisation is deviation = √(2/fan_in). */
export const normal =
  (deviation: number): Initialiser =>
  (generator, size) =>
    Float32Array.from({ length: size }, () => deviation * generator.normal());
