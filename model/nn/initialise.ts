import type { Generator } from '@cim/runtime';

/** Writes the next initial values of a parameter; large ones are asked for a stretch at a time. */
export type Initialiser = (generator: Generator, values: Float32Array) => void;

/** All elements are `value`. */
export const constant =
  (value: number): Initialiser =>
  (_, values) =>
    values.fill(value);

/** Uniform in ±bound. PyTorch's default of Conv2d and Linear is bound = 1/√fan_in, for weight and bias. */
export const uniform =
  (bound: number): Initialiser =>
  (generator, values) => {
    for (let i = 0; i < values.length; i++) values[i] = bound * (2 * generator.uniform() - 1);
  };

/** Normal with mean 0. He initialisation is deviation = √(2/fan_in). */
export const normal =
  (deviation: number): Initialiser =>
  (generator, values) => {
    for (let i = 0; i < values.length; i++) values[i] = deviation * generator.normal();
  };
