/** A weight in shards computes what the whole one does. */
import {
  Device,
  functional as F,
  type Parameter,
  ShardedParameter,
  ShardedTensor,
  Tape,
  type Tensor,
  type Weight,
} from '@cim/runtime';
import { expectClose, randomArray, testDevice, testDriver } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('shards');
const device = await testDevice();

function parameter(shape: number[], data: ArrayLike<number>): Parameter {
  const tensor = device.tensor(data, shape, 'f32') as Parameter;
  return Object.assign(tensor, { requiresGrad: true, grad: device.zeros(shape), touched: false });
}

/** The same weight whole, and in shards of `rows` each but the last. */
function both(shape: number[], rows: number): { whole: Parameter; sharded: ShardedParameter } {
  const data = randomArray(shape, 2);
  const [count, ...rest] = shape;
  const width = rest.reduce((a, b) => a * b, 1);
  const shards: Parameter[] = [];
  for (let first = 0; first < count; first += rows) {
    const own = Math.min(rows, count - first);
    shards.push(parameter([own, ...rest], data.subarray(first * width, (first + own) * width)));
  }
  return { whole: parameter(shape, data), sharded: new ShardedParameter(shards) };
}

type Operation = (tape: Tape, x: Tensor, weight: Weight, bias: Tensor | null) => Tensor;

/** Output and all gradients, those of the parameters added up over two passes. */
async function differentiate(
  operation: Operation,
  xShape: number[],
  weight: Parameter | ShardedParameter,
  bias: boolean,
) {
  const b = bias ? parameter([weight.shape[0]], randomArray([weight.shape[0]], 3)) : null;
  let y: Tensor;
  let dx: Tensor;
  for (let pass = 0; pass < 2; pass++) {
    const tape = new Tape(device);
    const x = tape.keep(device.tensor(randomArray(xShape, 1 + pass), xShape));
    x.requiresGrad = true;
    y = tape.keep(operation(tape, x, weight, b));
    tape.backward(y, device.tensor(randomArray(y.shape, 4)));
    dx = tape.gradient(x)!;
  }
  return {
    y: await y!.read(),
    dx: await dx!.read(),
    dw: await weight.grad.read(),
    db: b ? await b.grad.read() : [],
  };
}

const cases: { name: string; operation: Operation; x: number[]; weight: number[]; rows: number }[] = [
  {
    name: 'linear',
    operation: (tape, x, w, b) => F.linear(tape, x, w, b, { relu: b !== null }),
    x: [6, 70],
    weight: [37, 70],
    rows: 8,
  },
  {
    name: 'linear of single rows',
    operation: (tape, x, w, b) => F.linear(tape, x, w, b),
    x: [3, 5],
    weight: [4, 5],
    rows: 1,
  },
  {
    name: 'conv2d',
    operation: (tape, x, w, b) => F.conv2d(tape, x, w, b, { padding: 1, relu: b !== null }),
    x: [3, 6, 7, 7],
    weight: [21, 6, 3, 3],
    rows: 8,
  },
  {
    name: 'strided conv2d',
    operation: (tape, x, w, b) => F.conv2d(tape, x, w, b, { stride: 2, padding: 1 }),
    x: [2, 5, 9, 6],
    weight: [7, 5, 3, 3],
    rows: 3,
  },
];
for (const { name, operation, x, weight, rows } of cases) {
  for (const bias of [true, false]) {
    test(`${name} ${bias ? 'with' : 'without'} bias`, async () => {
      const { whole, sharded } = both(weight, rows);
      const one = await differentiate(operation, x, whole, bias);
      const many = await differentiate(operation, x, sharded, bias);
      assert.ok(sharded.shards.every(({ touched }) => touched));
      for (const key of ['y', 'dx', 'dw', 'db'] as const) {
        expectClose(many[key], one[key], { relative: 1e-6, scaled: 1e-6 }, key);
      }
    });
  }
}

test('excitation back-propagation', async () => {
  const { whole, sharded } = both([9, 4, 3, 3], 4);
  const gradients = [];
  for (const weight of [whole, sharded]) {
    const tape = new Tape(device);
    const x = tape.keep(device.tensor(randomArray([1, 4, 6, 5], 1), [1, 4, 6, 5]));
    x.requiresGrad = true;
    const y = F.peakConv2d(tape, x, weight, null, { padding: 1 });
    tape.backward(y, device.tensor(randomArray(y.shape, 4, 0, 1)));
    gradients.push(await tape.gradient(x)!.read());
  }
  expectClose(gradients[1], gradients[0], { relative: 1e-6, scaled: 1e-6 });
});

test('elements are read and written across shards', async () => {
  const { whole, sharded } = both([7, 3], 2);
  assert.equal(sharded.shape, [7, 3]);
  assert.equal(await sharded.read(), await whole.read());
  const values = Array.from({ length: 21 }, (_, i) => i);
  sharded.write(values);
  assert.equal([...(await sharded.read())], values);
  assert.equal([...(await sharded.shards[3].read())], [18, 19, 20]);
  const row = new ShardedTensor(sharded.shards.slice(1, 3));
  assert.equal([...(await row.read())], values.slice(6, 18));
});

test('a device can be told to bind less than its adapter can', async () => {
  const small = await Device.open({ driver: testDriver(), maxBinding: 5000 });
  try {
    assert.is(small.maxBinding, 4864); // a multiple of 256
    small.empty([4864 / 4]).dispose();
    assert.throws(() => small.empty([5000 / 4]), /\[1250\] of .* exceeds .* largest binding/);
  } finally {
    await small.close();
  }
});

test.run();
