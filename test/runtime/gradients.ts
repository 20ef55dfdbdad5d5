/** Checks of differentiable operations: against golden gradients and against finite differences. */
import { Tape, type Tensor } from '@cim/runtime';
import { expectGradients, type GradientOptions, testDevice } from '@cim/runtime/testing';

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
  const results = [y, ...tensors.map((tensor) => tape.gradient(tensor)!)];
  const [values, ...gradients] = (await Promise.all(results.map((tensor) => tensor.read()))) as Float32Array[];
  return { y: values, shape: y.shape, gradients };
}

/** Compares the gradients that the tape gives with finite differences: see {@link expectGradients}. */
export async function expectFiniteDifferences(
  operation: Operation,
  inputs: readonly Value[],
  options: GradientOptions = {},
): Promise<void> {
  const device = await testDevice();
  const withData = (arrays: readonly Float32Array[]): Value[] =>
    arrays.map((data, k) => ({ data, shape: inputs[k].shape }));
  await expectGradients(
    {
      forward: async (arrays) => {
        const tape = new Tape(device, { recording: false });
        const tensors = withData(arrays).map(({ data, shape }) => device.tensor(data, shape, 'f32'));
        return operation(tape, tensors).read();
      },
      backward: async (arrays, gout) => (await differentiate(operation, withData(arrays), () => gout)).gradients,
    },
    inputs.map(({ data }) => data),
    options,
  );
}
