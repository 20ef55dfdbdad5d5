/** A convolution with its frozen batch norm folded in computes what the two compute one after the other. */
import { functional as F, ShapeError, Tape, type Tensor } from '@cim/runtime';
import { expectClose, randomArray, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { differentiate, expectFiniteDifferences, type Value } from './gradients.ts';

const test = suite('convBatchNorm2d');
const device = await testDevice();

const [CI, CO] = [3, 5];
const geometry = { stride: 2, padding: 1 };
const random = (shape: number[], seed: number, low = -1, high = 1): Value => ({
  shape,
  data: randomArray(shape, seed, low, high),
});
/** x, weight, γ, β, residual, bias */
const inputs = [
  random([2, CI, 8, 7], 1),
  random([CO, CI, 3, 3], 2),
  random([CO], 3, 0.5, 1.5),
  random([CO], 4),
  random([2, CO, 4, 4], 5),
  random([CO], 6),
];
const statistics = () => ({
  runningMean: device.tensor(randomArray([CO], 7)),
  runningVar: device.tensor(randomArray([CO], 8, 0.5, 1.5)),
});

type Options = { readonly residual: boolean; readonly relu: boolean };
const fused =
  ({ residual, relu }: Options) =>
  (tape: Tape, [x, w, weight, bias, r, b]: Tensor[]): Tensor => {
    const folded = new F.FoldedBatchNorm(w, b ?? null, { weight, bias, ...statistics() });
    return F.convBatchNorm2d(tape, x, folded, { ...geometry, residual: residual ? r : undefined, relu });
  };
const separate =
  ({ residual, relu }: Options) =>
  (tape: Tape, [x, w, weight, bias, r, b]: Tensor[]): Tensor => {
    const y = F.conv2d(tape, x, w, b ?? null, geometry);
    const options = { training: false, residual: residual ? r : undefined, relu };
    return F.batchNorm(tape, y, { weight, bias, ...statistics() }, options);
  };

for (const relu of [false, true]) {
  for (const bias of [false, true]) {
    test(`equals convolution and batch norm, relu ${relu}, bias ${bias}`, async () => {
      const operands = bias ? inputs : inputs.slice(0, -1);
      const gout = (size: number) => randomArray([size], 9);
      const options = { residual: true, relu };
      const one = await differentiate(fused(options), operands, gout);
      const two = await differentiate(separate(options), operands, gout);
      expectClose(one.y, two.y);
      assert.is(one.gradients.length, operands.length);
      one.gradients.forEach((gradient, i) => expectClose(gradient, two.gradients[i], {}, `gradient ${i}`));
    });
  }
}

test('gradients agree with finite differences', () =>
  expectFiniteDifferences(fused({ residual: true, relu: false }), inputs));

const trainable = (shape: number[], seed: number): Tensor =>
  Object.assign(device.tensor(randomArray(shape, seed, 0.5, 1.5), shape), { requiresGrad: true });

test('only what is wanted gets a gradient', async () => {
  const options = { residual: false, relu: true };
  for (const wanted of [0, 1, 2, 3, 5]) {
    const gradients = [];
    for (const operation of [fused(options), separate(options)]) {
      const tensors = inputs.map(({ data, shape }) => device.tensor(data, shape));
      tensors[wanted].requiresGrad = true;
      const tape = new Tape(device);
      tape.keep(tensors[wanted]);
      const y = operation(tape, tensors);
      tape.backward(y, device.tensor(randomArray(y.shape, 9), y.shape));
      gradients.push(await tape.gradient(tensors[wanted])!.read());
      for (const [i, tensor] of tensors.entries()) assert.is(tape.gradient(tensor) !== undefined, i === wanted);
    }
    expectClose(gradients[0], gradients[1], {}, `input ${wanted}`);
  }
});

test('a weight is folded once, and again after any part was written, however it was written', async () => {
  const weight = trainable([CO, CI, 3, 3], 1);
  const norm = { weight: trainable([CO], 2), bias: trainable([CO], 3), ...statistics() };
  const bias = trainable([CO], 4);
  const x = device.tensor(randomArray([1, CI, 5, 5], 5), [1, CI, 5, 5]);
  const layer = new F.FoldedBatchNorm(weight, bias, norm);
  const forward = async () => {
    const tape = new Tape(device, { recording: false });
    const before = device.dispatches;
    const y = device.scope(() => F.convBatchNorm2d(tape, x, layer));
    const dispatches = device.dispatches - before;
    const expected = F.batchNorm(tape, F.conv2d(tape, x, weight, bias), norm, { training: false });
    expectClose(await y.read(), await expected.read());
    return dispatches;
  };
  await device.compile(() => void layer.fold());
  assert.is(await forward(), 2);
  assert.is(await forward(), 1);
  for (const tensor of [weight, bias, ...Object.values(norm)]) {
    const values = randomArray(tensor.shape, 6, 1, 2);
    tensor.write(values);
    assert.is(await forward(), 2);
    device.copy(device.tensor(values, tensor.shape), tensor);
    assert.is(await forward(), 2);
    F.relu(new Tape(device), tensor);
    assert.is(await forward(), 1);
  }
  device.clear(bias);
  assert.is(await forward(), 2);
  const training = { training: true } as const;
  F.batchNorm(new Tape(device, { recording: false }), device.zeros([1, CO, 2, 2]), norm, training);
  assert.is(await forward(), 2);
  const { live } = device.memoryUse;
  layer.dispose();
  assert.ok(device.memoryUse.live < live);
});

test('vectors that do not fit are named', () => {
  const weight = device.zeros([CO, CI, 1, 1]);
  const norm = { weight: device.zeros([CO]), bias: device.zeros([CO + 1]), ...statistics() };
  assert.throws(
    () => new F.FoldedBatchNorm(weight, null, norm),
    (e: Error) => e instanceof ShapeError && /5,3,1,1/.test(e.message),
  );
});

test.run();
