import { averageMask } from '@cim/model/assign/average-mask';
import { assignClusters, PeakError } from '@cim/model/assign/index';
import { packMasks, unpackMask } from '@cim/model/masks/index';
import { Generator } from '@cim/runtime';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('assign');

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
    assert.throws(
      () => assignClusters(masks, [peak], { numClasses: 2 }),
      (error: Error) => error instanceof PeakError,
    );
  }
});

test.run();
