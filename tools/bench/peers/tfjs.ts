/** TensorFlow.js on its WebGPU backend: NHWC, the layout that its kernels are written for. */
import { operandValues, type Problem, permuted, weightShape, xShape, yShape } from '../problem.ts';
import { type Contestant, serve } from './contestant.ts';
import { provideNavigatorGpu } from './navigator-gpu.ts';

type TensorFlow = typeof import('@tensorflow/tfjs');
type Tensor = import('@tensorflow/tfjs').Tensor;

let tf: TensorFlow;

/** [N,C,H,W] to [N,H,W,C] and weights [O,I,H,W] to [H,W,I,O], and back. */
const TO_NHWC = [0, 2, 3, 1];
const FROM_NHWC = [0, 3, 1, 2];
const TO_HWIO = [2, 3, 1, 0];
const FROM_HWIO = [3, 2, 0, 1];
const reorder = (shape: readonly number[], axes: readonly number[]): number[] => axes.map((axis) => shape[axis]);

const tensor = (name: string, shape: readonly number[], axes: readonly number[]): Tensor => {
  const values = operandValues(
    name,
    shape.reduce((a, b) => a * b, 1),
  );
  return tf.tensor(permuted(values, shape, axes), reorder(shape, axes));
};

/** Operands, what computes the result from them, and the order that brings the result's axes back to ours. */
function compute(problem: Problem): { operands: Tensor[]; run: () => Tensor; back: number[] } | null {
  if (problem.family === 'hrnet') return null;
  if (problem.family === 'gemm') {
    const { m, n, k, transposeA, transposeB } = problem.shape;
    const a = tensor('a', transposeA ? [k, m] : [m, k], [0, 1]);
    const b = transposeB ? tensor('b', [n, k], [1, 0]) : tensor('b', [k, n], [0, 1]);
    return { operands: [a, b], run: () => tf.matMul(a, b, transposeA, false), back: [0, 1] };
  }
  const { family, shape: s } = problem;
  const common = { strides: s.stride, pad: s.padding, dataFormat: 'NHWC', dimRoundingMode: 'floor' };
  const kernel = (name: string, inputs: Record<string, Tensor>, attributes: object): Tensor =>
    tf.engine().runKernel(name, inputs, { ...common, ...attributes });
  if (family === 'conv.forward') {
    const [x, filter] = [tensor('x', xShape(s), TO_NHWC), tensor('weight', weightShape(s), TO_HWIO)];
    const run = (): Tensor => tf.conv2d(x, filter, s.stride, s.padding, 'NHWC', s.dilation, 'floor');
    return { operands: [x, filter], run, back: FROM_NHWC };
  }
  const dy = tensor('dy', yShape(s), TO_NHWC);
  if (family === 'conv.inputGradient') {
    const filter = tensor('weight', weightShape(s), TO_HWIO);
    const inputShape = reorder(xShape(s), TO_NHWC);
    const run = (): Tensor => kernel('Conv2DBackpropInput', { dy, filter }, { inputShape });
    return { operands: [dy, filter], run, back: FROM_NHWC };
  }
  const x = tensor('x', xShape(s), TO_NHWC);
  const filterShape = reorder(weightShape(s), TO_HWIO);
  const run = (): Tensor => kernel('Conv2DBackpropFilter', { x, dy }, { filterShape });
  return { operands: [x, dy], run, back: FROM_HWIO };
}

/** Hands over what the backend has recorded, and waits for it. */
async function finish(): Promise<void> {
  const backend = tf.backend();
  backend.endComputePassEncoder();
  backend.submitQueue();
  await backend.device.queue.onSubmittedWorkDone();
}

const contestant: Contestant = {
  async open(driver) {
    await provideNavigatorGpu(driver);
    // The backend looks for a browser's window.
    Object.assign(globalThis, { window: globalThis });
    tf = await import('@tensorflow/tfjs');
    await import('@tensorflow/tfjs-backend-webgpu');
    if (!(await tf.setBackend('webgpu'))) throw new Error('The WebGPU backend does not start.');
    await tf.ready();
  },
  async prepare(problem) {
    const computation = compute(problem);
    if (!computation) return null;
    const { operands, run, back } = computation;
    // Tensors go to the GPU when a kernel first reads them.
    operands.forEach((operand) => operand.mul(1).dispose());
    await finish();
    let result: Tensor | undefined;
    return {
      run() {
        result?.dispose();
        result = run();
      },
      wait: finish,
      result: async () => permuted(await result!.data(), result!.shape, back),
      dispose: () => [...operands, result].forEach((each) => each?.dispose()),
    };
  },
};

serve(contestant);
