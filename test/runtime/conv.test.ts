import { functional, ShapeError, Tape, type Tensor } from '@cim/runtime';
import { expectClose, randomArray, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { differentiate, expectFiniteDifferences } from './gradients.ts';

const test = suite('conv2d and linear');
const device = await testDevice();

type Operation = (tape: Tape, inputs: Tensor[]) => Tensor;

const random = (...shapes: number[][]) => shapes.map((shape, i) => ({ shape, data: randomArray(shape, i + 1) }));

for (const options of [{ padding: 1 }, { stride: 2, padding: 1 }, { padding: 2, dilation: 2 }]) {
  test(`gradients of conv2d ${JSON.stringify(options)}`, async () => {
    const operation: Operation = (tape, [x, w, b]) => functional.conv2d(tape, x, w, b, options);
    await expectFiniteDifferences(operation, random([2, 3, 8, 7], [5, 3, 3, 3], [5]));
  });
}

test('gradients of conv2d with a residual', () =>
  expectFiniteDifferences(
    (tape, [x, w, b, residual]) => functional.conv2d(tape, x, w, b, { stride: 2, padding: 1, residual }),
    random([2, 3, 8, 7], [5, 3, 3, 3], [5], [2, 5, 4, 4]),
  ));

test('gradients of conv2d whose residual is its own input', () =>
  expectFiniteDifferences(
    (tape, [x, w]) => functional.conv2d(tape, x, w, null, { padding: 1, residual: x }),
    random([2, 3, 5, 7], [3, 3, 3, 3]),
  ));

test('gradients of linear', () =>
  expectFiniteDifferences((tape, [x, w, b]) => functional.linear(tape, x, w, b), random([6, 10], [5, 10], [5])));

test('a fused residual and ReLU equal separate ones, forward and backward', async () => {
  const inputs = random([2, 3, 6, 5], [4, 3, 3, 3], [4]);
  const rows = random([7, 9], [4, 9], [4]);
  const pairs: [Operation, Operation, typeof inputs][] = [
    [
      (tape, [x, w, b]) => functional.conv2d(tape, x, w, b, { padding: 1, relu: true }),
      (tape, [x, w, b]) => functional.relu(tape, functional.conv2d(tape, x, w, b, { padding: 1 })),
      inputs,
    ],
    [
      (tape, [x, w, b, residual]) => functional.conv2d(tape, x, w, b, { padding: 1, residual, relu: true }),
      (tape, [x, w, b, residual]) =>
        functional.addRelu(tape, functional.conv2d(tape, x, w, b, { padding: 1 }), residual),
      random([2, 3, 6, 5], [4, 3, 3, 3], [4], [2, 4, 6, 5]),
    ],
    [
      (tape, [x, w, b]) => functional.linear(tape, x, w, b, { relu: true }),
      (tape, [x, w, b]) => functional.relu(tape, functional.linear(tape, x, w, b)),
      rows,
    ],
  ];
  const gout = (size: number) => randomArray([size], 5);
  for (const [fused, separate, operands] of pairs) {
    const one = await differentiate(fused, operands, gout);
    const two = await differentiate(separate, operands, gout);
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
  expectClose(
    grads[1],
    grads[0].map((v) => 2 * v),
  );
});

test('errors name the shapes', () => {
  const tape = new Tape(device);
  const zeros = (...shape: number[]) => device.zeros(shape);
  assert.throws(
    () => functional.conv2d(tape, zeros(1, 3, 4, 4), zeros(2, 4, 3, 3), null),
    (e: Error) => e instanceof ShapeError && /1,3,4,4.*2,4,3,3/.test(e.message),
  );
  assert.throws(
    () => functional.conv2d(tape, zeros(1, 3, 2, 2), zeros(2, 3, 3, 3), null),
    (e: Error) => e instanceof ShapeError && /2×2/.test(e.message),
  );
  assert.throws(
    () => functional.conv2d(tape, zeros(1, 3, 4, 4), zeros(2, 3, 1, 1), null, { residual: zeros(1, 2, 4, 3) }),
    (e: Error) => e instanceof ShapeError && /1,2,4,4.*1,2,4,3/.test(e.message),
  );
  assert.throws(
    () => functional.linear(tape, zeros(2, 3), zeros(2, 4), null),
    (e: Error) => e instanceof ShapeError && /2,3.*2,4/.test(e.message),
  );
});

test.run();
