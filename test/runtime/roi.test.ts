import * as kernels from '@cim/kernels';
import * as reference from '@cim/kernels/roi/roi.reference';
import { functional as F, sizeOf, Tape } from '@cim/runtime';
import { expectClose, randomArray, runKernel, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { differentiate, expectFiniteDifferences } from './gradients.ts';

const test = suite('RoI features');
const device = await testDevice();

/** RoIs of every size: points, slivers, larger than the image, partly and fully outside. */
function randomRois(count: number, batch: number, width: number, height: number): Float32Array {
  const uniform = randomArray([count, 5], 9, 0, 1);
  const rois = new Float32Array(count * 5);
  for (let r = 0; r < count; r++) {
    const [image, x, y, w, h] = uniform.subarray(r * 5, r * 5 + 5);
    const x1 = (x * 1.6 - 0.4) * width;
    const y1 = (y * 1.6 - 0.4) * height;
    rois.set([Math.floor(image * batch), x1, y1, x1 + w ** 3 * 1.5 * width, y1 + h ** 3 * 1.5 * height], r * 5);
  }
  rois.set([0, 8, 8, 8, 8], 0);
  rois.set([0, -300, -300, 600, 600], 5);
  return rois;
}

for (const [batch, channels, height, width, outputSize, samplingRatio] of [
  [1, 1, 1, 1, 7, 0],
  [2, 9, 7, 13, 7, 0],
  [1, 35, 23, 11, 3, 0],
  [1, 3, 9, 10, 7, 2],
]) {
  const spatialScale = 1 / 8;
  const shape = { rois: 21, batch, channels, height, width, outputSize, spatialScale, samplingRatio };
  const bins = outputSize ** 2;
  const label = `[${batch}, ${channels}, ${height}, ${width}] to ${outputSize}, sampling ${samplingRatio}`;
  const rois = randomRois(shape.rois, batch, width * 8, height * 8);
  const features = randomArray([batch * channels * height * width], 1);
  const masks = randomArray([shape.rois * bins], 2).map((v) => (v > 0 ? 1 : 0));
  const fused = { rois: shape.rois, channels, bins };

  const tabulate = async () =>
    (await runKernel(device, kernels.roiWeights(shape), { rois, table: sizeOf(kernels.roiWeightsShape(shape)) })).table;

  test(`forward of ${label}`, async () => {
    const table = await tabulate();
    const expected = reference.roiAlign(features, rois, shape);
    const plain = await runKernel(device, kernels.roiAlign({ ...shape, mask: false }), {
      features,
      rois,
      table,
      y: expected.length,
    });
    expectClose(plain.y, expected);
    const masked = await runKernel(device, kernels.roiAlign({ ...shape, mask: true }), {
      features,
      rois,
      table,
      masks,
      y: 2 * expected.length,
    });
    const expectedFused = reference.maskFuse(expected, masks, fused);
    expectClose(masked.y, expectedFused);
    const apart = await runKernel(device, kernels.maskFuse(fused), { x: expected, masks, y: 2 * expected.length });
    expectClose(apart.y, expectedFused);
  });

  test(`backward of ${label}`, async () => {
    const table = await tabulate();
    const { ranges } = await runKernel(device, kernels.roiRanges(shape), { rois, ranges: 2 * batch });
    const dy = randomArray([2 * shape.rois * channels * bins], 3);
    for (const accumulate of [false, true]) {
      const before = (i: number) => (accumulate ? features[i] : 0);
      const dx = dy.subarray(0, dy.length / 2);
      const r = await runKernel(device, kernels.roiAlignBackward({ ...shape, accumulate }), {
        dy: dx,
        rois,
        ranges,
        table,
        dfeatures: features,
      });
      expectClose(
        r.dfeatures,
        reference.roiAlignBackward(dx, rois, shape).map((v, i) => v + before(i)),
        { scaled: 2e-5 },
      );
      const m = await runKernel(device, kernels.maskFuseBackward({ ...fused, accumulate }), { dy, masks, dx });
      expectClose(
        m.dx,
        reference.maskFuseBackward(dy, masks, fused).map((v, i) => v + (accumulate ? dx[i] : 0)),
      );
    }
  });
}

const small = { shape: [1, 3, 5, 6], data: randomArray([90], 4) };
const smallRois = () => device.tensor([0, 3, 2, 30, 25, 0, 20, 10, 47, 39], [2, 5]);
const smallMasks = () =>
  device.tensor(
    randomArray([2, 7, 7], 5).map((v) => (v > 0 ? 1 : 0)),
    [2, 7, 7],
  );

test('fused and separate operations agree, finite differences too', async () => {
  const options = { spatialScale: 1 / 8 };
  const one = await differentiate(
    (tape, [x]) => F.roiAlignMaskFuse(tape, x, smallRois(), smallMasks(), options),
    [small],
    (n) => randomArray([n], 6),
  );
  const two = await differentiate(
    (tape, [x]) => F.maskFuse(tape, F.roiAlign(tape, x, smallRois(), options), smallMasks()),
    [small],
    (n) => randomArray([n], 6),
  );
  assert.equal(one.shape, [2, 6, 7, 7]);
  expectClose(one.y, two.y);
  expectClose(one.gradients[0], two.gradients[0]);
  await expectFiniteDifferences(
    (tape, [x]) => F.roiAlignMaskFuse(tape, x, smallRois(), smallMasks(), options),
    [small],
  );
});

test('shapes that do not fit are refused', () => {
  const tape = new Tape(device, { recording: false });
  const features = device.tensor(small.data, small.shape);
  const options = { spatialScale: 1 };
  assert.throws(() => F.roiAlign(tape, features, device.tensor([0, 1, 2, 3], [1, 4]), options), /\[R, 5\].*\[1,4\]/);
  assert.throws(() => F.roiAlignMaskFuse(tape, features, smallRois(), device.tensor([1]), options), /masks \[1\]/);
});

test.run();
