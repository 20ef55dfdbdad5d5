/** Checks of differentiable operations: against golden gradients and against finite differences. */
import { Tape, type Tensor } from '@cim/runtime';
import { expectClose, randomArray, type Tolerance, testDevice } from '@cim/runtime/testing';

export interface Value {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}
type Operation = (tape: Tape, inputs: Tensor[]) => Tensor;

/** The output of `operation` and the gradients of Σ output·gout to every input. */
export async function differentiate(
  operation: Operation,
  inputs: readonly Value[],
  gout: (size: number) => ArrayLike<number>,
) {
  const device = await testDevice();
  const tape = new Tape(device);
  const tensors = inputs.map(({ data, shape }) => {
    const tensor = device.tensor(data, shape, 'f32');
    tensor.requiresGrad = true;
    return tape.keep(tensor);
  });
  const y = tape.keep(operation(tape, tensors));
  tape.backward(y, device.tensor(gout(y.size), y.shape, 'f32'));
  const gradients: Float32Array[] = [];
  for (const tensor of tensors) gradients.push((await tape.gradient(tensor)!.read()) as Float32Array);
  return { y: (await y.read()) as Float32Array, shape: y.shape, gradients };
}

/**
 * Compares the gradients with central differences of Σ output·gout along random directions, one at a time per input.
 * `operation` must be smooth within `step` of the inputs.
 */
export async function expectFiniteDifferences(
  operation: Operation,
  inputs: readonly Value[],
  { step = 1e-2, tolerance = { relative: 1e-2, absolute: 2e-3 } }: { step?: number; tolerance?: Tolerance } = {},
): Promise<void> {
  const device = await testDevice();
  const gout = (size: number) => randomArray([size], 77);
  const { gradients } = await differentiate(operation, inputs, gout);
  const evaluate = async (values: readonly Value[]) => {
    const tape = new Tape(device, { recording: false });
    const y = operation(
      tape,
      values.map(({ data, shape }) => device.tensor(data, shape, 'f32')),
    );
    const elements = (await y.read()) as Float32Array;
    const g = gout(y.size);
    return elements.reduce((sum, v, i) => sum + v * g[i], 0);
  };
  for (const [index, { shape, data }] of inputs.entries()) {
    for (const seed of [1, 2, 3]) {
      const direction = randomArray(shape, seed);
      const moved = (sign: number) =>
        inputs.map((value, k) =>
          k === index ? { shape, data: Float32Array.from(data, (v, i) => v + sign * step * direction[i]) } : value,
        );
      const numeric = ((await evaluate(moved(1))) - (await evaluate(moved(-1)))) / (2 * step);
      const analytic = direction.reduce((sum, d, i) => sum + d * gradients[index][i], 0);
      expectClose([analytic], [numeric], tolerance, `gradient of input ${index} along direction ${seed}`);
    }
  }
}
