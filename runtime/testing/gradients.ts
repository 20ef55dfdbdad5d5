import { expectClose, type Tolerance } from './close.ts';
import { randomArray } from './random.ts';

/** A function of arrays and its gradients, from wherever: kernels, a tape, a reference. */
export interface Differentiable {
  /** The output for the inputs. */
  readonly forward: (inputs: readonly Float32Array[]) => ArrayLike<number> | Promise<ArrayLike<number>>;
  /** Of Σ output·gout, the gradient to every input. */
  readonly backward: (
    inputs: readonly Float32Array[],
    gout: Float32Array,
  ) => readonly ArrayLike<number>[] | Promise<readonly ArrayLike<number>[]>;
}

/** How {@link expectGradients} moves the inputs. */
export interface GradientOptions {
  /** How far the inputs are moved. The function must be smooth within it. Default 1e-2. */
  readonly step?: number;
  /** Random directions along which each input is moved, all its elements at a time. Default 3. */
  readonly directions?: number;
  /** Of derivatives along a direction. Default 1e-2 relative, 2e-3 absolute: differences of f32 values are no better. */
  readonly tolerance?: Tolerance;
}

/**
 * Compares gradients with central differences of Σ output·gout along random directions, one input at a time, gout being
 * random.
 * @throws Error naming the input whose gradient is wrong.
 */
export async function expectGradients(
  { forward, backward }: Differentiable,
  inputs: readonly ArrayLike<number>[],
  { step = 1e-2, directions = 3, tolerance = { relative: 1e-2, absolute: 2e-3 } }: GradientOptions = {},
): Promise<void> {
  const values = inputs.map((data) => Float32Array.from(data));
  const gout = randomArray([(await forward(values)).length], 77);
  const loss = async (moved: readonly Float32Array[]): Promise<number> => {
    const output = await forward(moved);
    return gout.reduce((sum, g, i) => sum + output[i] * g, 0);
  };
  const gradients = await backward(values, gout);
  for (const [index, gradient] of gradients.entries()) {
    if (gradient.length !== values[index].length)
      throw new Error(`gradient of input ${index}: ${gradient.length} elements, expected ${values[index].length}.`);
    for (let seed = 1; seed <= directions; seed++) {
      const direction = randomArray([gradient.length], seed);
      const moved = (by: number): Float32Array[] =>
        values.map((value, k) => (k === index ? value.map((v, i) => v + by * direction[i]) : value));
      const numeric = ((await loss(moved(step))) - (await loss(moved(-step)))) / (2 * step);
      const analytic = direction.reduce((sum, d, i) => sum + d * gradient[i], 0);
      expectClose([analytic], [numeric], tolerance, `gradient of input ${index} along direction ${seed}`);
    }
  }
}
