import * as kernels from '@cim/kernels';
import * as reference from '@cim/kernels/random/dropout.reference';
import { functional as F, philox, Tape } from '@cim/runtime';
import { expectClose, randomArray, runKernel, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('dropout');
const device = await testDevice();

/** The numbers of a seed as the kernel draws them. */
const numbers = (seed: number, n: number): number[] =>
  Array.from({ length: n }, (_, i) => (philox(seed, Math.floor(i / 4))[i % 4] >>> 8) / 2 ** 24);

for (const n of [1, 67, 1001]) {
  test(`kernel of ${n}`, async () => {
    const x = randomArray([n], 1);
    const start = randomArray([n], 2);
    for (const [rate, seed] of [
      [0, 3],
      [0.5, 4],
      [0.9, 2 ** 32 - 1],
    ]) {
      const expected = reference.dropout(x, numbers(seed, n), rate);
      for (const accumulate of [false, true]) {
        const { y } = await runKernel(device, kernels.dropout({ n, rate, seed, accumulate }), { x, y: start });
        expectClose(y, accumulate ? expected.map((v, i) => v + start[i]) : expected);
      }
    }
  });
}

test('the gradient drops the same elements; the mean stays', async () => {
  const n = 4000;
  const tape = new Tape(device);
  const x = tape.keep(device.tensor(new Float32Array(n).fill(1)));
  x.requiresGrad = true;
  const y = tape.keep(F.dropout(tape, x, { rate: 0.3, seed: 5 }));
  const values = Float32Array.from(await y.read());
  tape.backward(y, device.tensor(new Float32Array(n).fill(2)));
  expectClose(
    await tape.gradient(x)!.read(),
    values.map((v) => 2 * v),
  );
  const mean = values.reduce((a, b) => a + b, 0) / n;
  assert.ok(Math.abs(mean - 1) < 0.05, `${mean}`);
  assert.throws(() => F.dropout(tape, x, { rate: 1, seed: 0 }), /below 1; got 1/);
});

test.run();
