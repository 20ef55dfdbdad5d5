import { functional, ShapeError, Tape, type Tensor } from '@cim/runtime';
import { expectClose, randomArray, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { golden } from '../golden.ts';

const test = suite('conv2d and linear');
const device = await testDevice();

type Operation = (tape: Tape, inputs: Tensor[]) => Tensor;

/** Runs forward and backward; returns y and the gradient of Σ y·gout to every input. */
async function run(operation: Operation, inputs: { data: Float32Array; shape: readonly number[] }[], gout?: Float32Array) {
  const tape = new Tape(device);
  const tensors = inputs.map(({ data, shape }) => {
    const tensor = tape.keep(device.tensor(data, shape));
    tensor.requiresGrad = true;
    return tensor;
  });
  const y = tape.keep(operation(tape, tensors));
  if (gout) tape.backward(y, device.tensor(gout, y.shape));
  const gradients: Float32Array[] = [];
  if (gout) for (const tensor of tensors) gradients.push((await tape.gradient(tensor)!.read()) as Float32Array);
  return { y: (await y.read()) as Float32Array, gradients };
}

/** Compares gradients with central differences of Σ y·gout, in f32, at a few elements of every input. */
async function checkGradients(operation: Operation, shapes: readonly (readonly number[])[], outputSize: number) {
  const inputs = shapes.map((shape, i) => ({ data: randomArray(shape, i + 1), shape }));
  const gout = randomArray([outputSize], 9);
  const { gradients } = await run(operation, inputs, gout);
  const step = 1 / 64;
  for (const [which, { data }] of inputs.entries()) {
    for (const at of [0, Math.floor(data.length / 2), data.length - 1]) {
      const objective = async (delta: number) => {
        const moved = inputs.map(({ data, shape }) => ({ data: data.slice(), shape }));
        moved[which].data[at] += delta;
        const { y } = await run(operation, moved);
        return y.reduce((sum, v, i) => sum + v * gout[i], 0);
      };
      const slope = ((await objective(step)) - (await objective(-step))) / (2 * step);
      const error = Math.abs(slope - gradients[which][at]);
      assert.ok(error < 2e-3 * Math.max(1, Math.abs(slope)), `input ${which}[${at}]: ${gradients[which][at]}, expected ${slope}`);
    }
  }
}

for (const options of [{ padding: 1 }, { stride: 2, padding: 1 }, { padding: 2, dilation: 2 }]) {
  test(`gradients of conv2d ${JSON.stringify(options)}`, async () => {
    const operation: Operation = (tape, [x, w, b]) => functional.conv2d(tape, x, w, b, options);
    const tape = new Tape(device, { recording: false });
    const y = operation(tape, [device.zeros([2, 3, 8, 7]), device.zeros([5, 3, 3, 3]), device.zeros([5])]);
    await checkGradients(operation, [[2, 3, 8, 7], [5, 3, 3, 3], [5]], y.size);
  });
}

test('gradients of linear', () =>
  checkGradients((tape, [x, w, b]) => functional.linear(tape, x, w, b), [[6, 10], [5, 10], [5]], 30));

test('a fused ReLU equals a separate one, forward and backward', async () => {
  const inputs = [[2, 3, 6, 5], [4, 3, 3, 3], [4]].map((shape, i) => ({ data: randomArray(shape, i + 1), shape }));
  const rows = [[7, 9], [4, 9], [4]].map((shape, i) => ({ data: randomArray(shape, i + 1), shape }));
  const pairs: [Operation, Operation, typeof inputs, number][] = [
    [
      (tape, [x, w, b]) => functional.conv2d(tape, x, w, b, { padding: 1, relu: true }),
      (tape, [x, w, b]) => functional.relu(tape, functional.conv2d(tape, x, w, b, { padding: 1 })),
      inputs,
      240,
    ],
    [
      (tape, [x, w, b]) => functional.linear(tape, x, w, b, { relu: true }),
      (tape, [x, w, b]) => functional.relu(tape, functional.linear(tape, x, w, b)),
      rows,
      28,
    ],
  ];
  for (const [fused, separate, operands, size] of pairs) {
    const gout = randomArray([size], 5);
    const one = await run(fused, operands, gout);
    const two = await run(separate, operands, gout);
    expectClose(one.y, two.y);
    for (const [i, gradient] of one.gradients.entries()) expectClose(gradient, two.gradients[i], {}, `gradient ${i}`);
  }
});

test('gradients of parameters add up over uses', async () => {
  const weight = device.tensor(randomArray([4, 5], 1), [4, 5]);
  const parameter = Object.assign(weight, { grad: device.zeros([4, 5]), requiresGrad: true });
  const x = device.tensor(randomArray([3, 5], 2), [3, 5]);
  const gout = device.tensor(randomArray([3, 4], 3), [3, 4]);
  const grads: Float32Array[] = [];
  for (let i = 0; i < 2; i++) {
    const tape = new Tape(device);
    tape.backward(functional.linear(tape, x, parameter, null), gout);
    grads.push((await parameter.grad.read()) as Float32Array);
  }
  expectClose(grads[1], grads[0].map((v) => 2 * v));
});

for (const name of ['op_linear', 'op_linear_wide']) {
  test(`PyTorch's ${name}`, async () => {
    const file = golden(name);
    const inputs = [file.tensor('in.x'), file.tensor('param.weight'), file.tensor('param.bias')];
    const operation: Operation = (tape, [x, w, b]) => functional.linear(tape, x, w, b);
    const { y, gradients } = await run(operation, inputs, file.tensor('in.gout').data);
    expectClose(y, file.tensor('out.y').data);
    for (const [i, gradient] of ['grad.x', 'grad.weight', 'grad.bias'].entries()) {
      expectClose(gradients[i], file.tensor(gradient).data, { scaled: 2e-5 }, gradient);
    }
  });
}

test('errors name the shapes', () => {
  const tape = new Tape(device);
  const zeros = (...shape: number[]) => device.zeros(shape);
  assert.throws(() => functional.conv2d(tape, zeros(1, 3, 4, 4), zeros(2, 4, 3, 3), null), (e: Error) => e instanceof ShapeError && /1,3,4,4.*2,4,3,3/.test(e.message));
  assert.throws(() => functional.conv2d(tape, zeros(1, 3, 2, 2), zeros(2, 3, 3, 3), null), (e: Error) => e instanceof ShapeError && /2×2/.test(e.message));
  assert.throws(() => functional.linear(tape, zeros(2, 3), zeros(2, 4), null), (e: Error) => e instanceof ShapeError && /2,3.*2,4/.test(e.message));
});

test.run();
