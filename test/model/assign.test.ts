import { assignClusters, PeakError } from '@cim/model/assign/index';
import { averageMask } from '@cim/model/assign/average-mask';
import { packMasks, unpackMask } from '@cim/model/masks/index';
import { type Peak, peaksInImage } from '@cim/model/peaks/index';
import { Generator } from '@cim/runtime';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Golden, golden } from '../golden.ts';

const test = suite('assign');

function proposalsOf(file: Golden) {
  const { data, shape } = file.tensor('in.masks', 'U8');
  const [count, height, width] = shape;
  return packMasks(data, count, width, height);
}

for (const name of ['voc', 'coco', 'voc_none', 'voc_missing']) {
  test(`labels from peaks equal the original's: ${name}`, () => {
    const file = golden(`label_assign_${name}`);
    const { num_classes, grid, avg_thr, iou_thr } = file.options;
    const proposals = proposalsOf(file);
    const places = file.tensor('in.peaks', 'I32').data;
    const peaks = Array.from(file.tensor('in.peak_score').data, (score, i): Peak => {
      const [, classIndex, row, column] = places.subarray(4 * i, 4 * i + 4);
      return { classIndex, row, column, score };
    });
    const clusters = assignClusters(proposals, peaksInImage(peaks, { width: grid, height: grid }, proposals), {
      numClasses: num_classes,
      averageThreshold: avg_thr,
      iouThreshold: iou_thr,
    });
    assert.equal(clusters, file.tensor('out.mat').data);
  });
}

for (const name of ['point', 'point_none']) {
  test(`labels from points equal the original's: ${name}`, () => {
    const file = golden(`label_assign_${name}`);
    const values = file.tensor('in.points').data;
    const points = Array.from({ length: values.length / 4 }, (_, i) => {
      const [x, y, classIndex] = values.subarray(4 * i, 4 * i + 4);
      return { classIndex, row: Math.trunc(y), column: Math.trunc(x) };
    });
    const clusters = assignClusters(proposalsOf(file), points, { numClasses: file.options.num_classes });
    assert.equal(clusters, file.tensor('out.mat').data);
  });
}

test('the average mask counts exactly for any number of proposals', () => {
  const [width, height] = [13, 9];
  const pixels = width * height;
  for (const count of [1, 2, 3, 7, 8, 31, 64, 200]) {
    const generator = new Generator(count);
    const bytes = Uint8Array.from({ length: count * pixels }, () => (generator.uniform() < 0.7 ? 1 : 0));
    const masks = packMasks(bytes, count, width, height);
    for (const threshold of [0, 0.5, 0.6, 0.7, 0.95, 1]) {
      const pixel = 57;
      const members = Array.from({ length: count }, (_, n) => n).filter((n) => bytes[n * pixels + pixel] === 1);
      const expected = Uint8Array.from({ length: pixels }, (_, p) => {
        const held = members.reduce((sum, n) => sum + bytes[n * pixels + p], 0);
        return held / members.length > threshold ? 1 : 0;
      });
      const words = averageMask(masks, pixel, threshold);
      assert.equal(unpackMask({ words, count: 1, width, height }, 0), expected, `${count} masks, ${threshold}`);
    }
  }
});

test('a peak outside the image or of no class is refused', () => {
  const masks = packMasks(new Uint8Array(20).fill(1), 1, 5, 4);
  for (const peak of [
    { classIndex: 0, row: 4, column: 0 },
    { classIndex: 0, row: 0, column: -1 },
    { classIndex: 2, row: 0, column: 0 },
  ]) {
    assert.throws(() => assignClusters(masks, [peak], { numClasses: 2 }), (error: Error) => error instanceof PeakError);
  }
});

test.run();
