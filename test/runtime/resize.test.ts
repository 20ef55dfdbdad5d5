import * as kernels from '@cim/kernels';
import * as reference from '@cim/kernels/resize/resize.reference';
import { functional as F, Tape } from '@cim/runtime';
import { expectClose, randomArray, runKernel, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { differentiate, expectFiniteDifferences } from './gradients.ts';

const test = suite('resizing');
const device = await testDevice();

for (const [height, width, scale] of [
  [1, 1, 2],
  [3, 5, 1],
  [7, 4, 3],
]) {
  test(`nearest of ${height}×${width} by ${scale}`, async () => {
    const shape = { planes: 3, height, width, scale };
    const out = { planes: 3, height, width, outHeight: height * scale, outWidth: width * scale };
    const n = 3 * height * width;
    const x = randomArray([n], 1);
    const a = randomArray([n * scale * scale], 2);
    const dy = randomArray([a.length], 3);
    const up = reference.resize(x, out, reference.nearest);
    for (const [add, relu] of [
      [false, false],
      [true, false],
      [true, true],
    ]) {
      const expected = up.map((v, i) => (relu ? Math.max(0, v + a[i]) : add ? v + a[i] : v));
      const { y } = await runKernel(device, kernels.upsampleNearest({ ...shape, add, relu }), { x, a, y: a.length });
      expectClose(y, expected);
      const g = dy.map((v, i) => (relu && expected[i] <= 0 ? 0 : v));
      for (const accumulate of [false, true]) {
        const r = await runKernel(device, kernels.upsampleNearestBackward({ ...shape, relu, accumulate }), {
          dy,
          y,
          dx: x,
        });
        const gradient = reference.resizeBackward(g, out, reference.nearest);
        expectClose(
          r.dx,
          gradient.map((v, i) => v + (accumulate ? x[i] : 0)),
        );
      }
    }
  });
}

for (const [height, width, outHeight, outWidth] of [
  [1, 4, 8, 32],
  [7, 6, 56, 47],
  [9, 13, 5, 1],
  [5, 5, 5, 5],
]) {
  for (const alignCorners of [false, true]) {
    test(`bilinear of ${height}×${width} to ${outHeight}×${outWidth}, aligned corners ${alignCorners}`, async () => {
      const shape = { planes: 2, height, width, outHeight, outWidth };
      const x = randomArray([2 * height * width], 1);
      const axis = reference.bilinear(alignCorners);
      const expected = reference.resize(x, shape, axis);
      const { y } = await runKernel(device, kernels.upsampleBilinear({ ...shape, alignCorners }), {
        x,
        y: expected.length,
      });
      expectClose(y, expected, { absolute: 1e-5 });
      const dy = randomArray([expected.length], 2);
      for (const accumulate of [false, true]) {
        const kernel = kernels.upsampleBilinearBackward({ ...shape, alignCorners, accumulate });
        const { dx } = await runKernel(device, kernel, { dy, dx: x });
        const gradient = reference.resizeBackward(dy, shape, axis);
        expectClose(
          dx,
          gradient.map((g, i) => g + (accumulate ? x[i] : 0)),
          { absolute: 2e-5 },
        );
      }
    });
  }
}

test('padding', async () => {
  const shape = { planes: 3, height: 4, width: 7, outHeight: 4, outWidth: 9 };
  const x = randomArray([84], 1);
  const { y } = await runKernel(device, kernels.padBottomRight(shape), { x, y: 108 });
  expectClose(y, reference.resize(x, shape, reference.padded));
  const dy = randomArray([108], 2);
  for (const accumulate of [false, true]) {
    const { dx } = await runKernel(device, kernels.padBottomRightBackward({ ...shape, accumulate }), { dy, dx: x });
    expectClose(
      dx,
      reference.resizeBackward(dy, shape, reference.padded).map((g, i) => g + (accumulate ? x[i] : 0)),
    );
  }
});

test('addUpsampled equals its parts, gradients too', async () => {
  const inputs = [
    { shape: [1, 2, 6, 8], data: randomArray([96], 1) },
    { shape: [1, 2, 3, 4], data: randomArray([24], 2) },
  ];
  const gout = (n: number) => randomArray([n], 3);
  for (const relu of [false, true]) {
    const fused = await differentiate((tape, [a, x]) => F.addUpsampled(tape, a, x, 2, { relu }), inputs, gout);
    const parts = await differentiate(
      (tape, [a, x]) => (relu ? F.addRelu : F.add)(tape, a, F.upsampleNearest(tape, x, 2)),
      inputs,
      gout,
    );
    expectClose(fused.y, parts.y);
    for (const i of [0, 1]) expectClose(fused.gradients[i], parts.gradients[i], {}, `gradient ${i}`);
  }
});

test('finite differences', async () => {
  const x = { shape: [1, 2, 3, 5], data: randomArray([30], 1) };
  for (const alignCorners of [false, true]) {
    await expectFiniteDifferences((tape, [t]) => F.upsampleBilinear(tape, t, [7, 8], { alignCorners }), [x]);
  }
  await expectFiniteDifferences((tape, [t]) => F.padBottomRight(tape, t, { bottom: 2, right: 1 }), [x]);
});

test('sizes that do not fit are refused', () => {
  const tape = new Tape(device, { recording: false });
  assert.throws(() => F.addUpsampled(tape, device.zeros([1, 1, 2, 2]), device.zeros([1, 1, 2, 2]), 2), /\[1,1,2,2\]/);
});

test.run();
