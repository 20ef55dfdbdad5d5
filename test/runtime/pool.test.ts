import * as kernels from '@cim/kernels';
import * as reference from '@cim/kernels/pool/pool.reference';
import { functional as F, Tape } from '@cim/runtime';
import { expectClose, randomArray, runKernel, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { expectFiniteDifferences } from './gradients.ts';

const test = suite('pooling');
const device = await testDevice();

for (const [planes, height, width, kernel, stride, padding] of [
  [1, 1, 1, 1, 1, 0],
  [3, 13, 18, 3, 2, 1],
  [2, 7, 5, 2, 2, 0],
  [2, 9, 11, 3, 1, 1],
  [1, 10, 7, 2, 3, 1],
]) {
  test(`maxPool2d of [${planes}, ${height}, ${width}], kernel ${kernel}, stride ${stride}, padding ${padding}`, async () => {
    const out = (n: number) => Math.floor((n + 2 * padding - kernel) / stride) + 1;
    const shape = { planes, height, width, outHeight: out(height), outWidth: out(width), kernel, stride, padding };
    // Few distinct values, all negative: ties are common, and zero padding would win.
    const x = randomArray([planes * height * width], 1, -4, -1).map(Math.round);
    const expected = reference.maxPool2d(x, shape);
    const size = expected.y.length;
    const { y, argmax } = await runKernel(device, kernels.maxPool2d(shape), { x, y: size, argmax: size });
    expectClose(y, expected.y);
    const dy = randomArray([size], 2);
    for (const accumulate of [false, true]) {
      const { dx } = await runKernel(device, kernels.maxPool2dBackward({ ...shape, accumulate }), {
        dy,
        argmax,
        dx: x,
      });
      const gradient = reference.maxPool2dBackward(dy, expected.argmax, shape);
      expectClose(
        dx,
        gradient.map((g, i) => g + (accumulate ? x[i] : 0)),
      );
    }
  });
}

for (const [height, width, outHeight, outWidth] of [
  [7, 9, 1, 1],
  [7, 9, 3, 4],
  [5, 6, 7, 6],
]) {
  test(`adaptiveAvgPool2d of ${height}×${width} to ${outHeight}×${outWidth}`, async () => {
    const shape = { planes: 3, height, width, outHeight, outWidth };
    const x = randomArray([3 * height * width], 1);
    const expected = reference.adaptiveAvgPool2d(x, shape);
    const { y } = await runKernel(device, kernels.adaptiveAvgPool2d(shape), { x, y: expected.length });
    expectClose(y, expected);
    const dy = randomArray([expected.length], 2);
    for (const accumulate of [false, true]) {
      const { dx } = await runKernel(device, kernels.adaptiveAvgPool2dBackward({ ...shape, accumulate }), {
        dy,
        dx: x,
      });
      expectClose(
        dx,
        reference.adaptiveAvgPool2dBackward(dy, shape).map((g, i) => g + (accumulate ? x[i] : 0)),
      );
    }
  });
}

for (const [height, width, radius] of [
  [1, 1, 1],
  [7, 9, 1],
  [5, 3, 2],
  [2, 11, 3],
]) {
  test(`meanFilter of ${height}×${width} with radius ${radius}`, async () => {
    const shape = { planes: 3, height, width, radius };
    const x = randomArray([3 * height * width], 1);
    const { y } = await runKernel(device, kernels.meanFilter(shape), { x, y: x.length });
    expectClose(y, reference.meanFilter(x, shape));
    const dy = randomArray([x.length], 2);
    for (const accumulate of [false, true]) {
      const { dx } = await runKernel(device, kernels.meanFilterBackward({ ...shape, accumulate }), { dy, dx: x });
      expectClose(
        dx,
        reference.meanFilterBackward(dy, shape).map((g, i) => g + (accumulate ? x[i] : 0)),
      );
    }
  });
}

test('finite differences', async () => {
  // Values far enough apart that a step never changes the maximum.
  const order = randomArray([60], 3);
  const data = Float32Array.from(order, (v) => order.filter((w) => w < v).length / 4);
  const x = { shape: [1, 2, 5, 6], data };
  await expectFiniteDifferences((tape, [t]) => F.maxPool2d(tape, t, { kernel: 3, stride: 2, padding: 1 }), [x]);
  await expectFiniteDifferences((tape, [t]) => F.adaptiveAvgPool2d(tape, t, [2, 4]), [x]);
  await expectFiniteDifferences((tape, [t]) => F.meanFilter2d(tape, t, 1), [x]);
});

test('a window larger than the image is refused', () => {
  const tape = new Tape(device, { recording: false });
  assert.throws(() => F.maxPool2d(tape, device.zeros([1, 1, 2, 2]), { kernel: 3, stride: 1 }), /kernel 3.*\[1,1,2,2\]/);
});

test.run();
