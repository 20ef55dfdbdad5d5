import * as reference from '@cim/kernels/peak/peak.reference';
import { findPeaks, peakResponse, peaksInImage } from '@cim/model/peaks/index';
import { expectClose } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('peaks');

/** Two maps of 3×5; peaks are the maxima of 3×3 windows that reach the median. */
const [height, width] = [3, 5];
const values = [
  [9, 0, 0, 0, 12],
  [0, 0, 0, 0, 0],
  [0, 0, 11, 0, 3],
  [1, 0, 0, 0, 4],
  [0, 0, 0, 0, 0],
  [0, 0, 4, 0, 0],
].flat();
const { peakMap } = reference.peakStimulation(values, { maps: 2, height, width, window: 3, filter: 'median' });
const maps = { values, peakMap, height, width };
const places = (peaks: ReturnType<typeof findPeaks>) => peaks.map((p) => [p.classIndex, p.row, p.column, p.score]);

test('takes the peaks above the threshold in the order of the labels', () => {
  const expected = [
    [0, 0, 4, 12],
    [0, 2, 2, 11],
  ];
  assert.equal(places(findPeaks(maps, [0], 10)), expected);
  assert.equal(places(findPeaks(maps, [1, 0], 10)), [[1, 0, 4, 4], ...expected]);
});

test('the threshold itself is not above it', () => {
  assert.equal(places(findPeaks(maps, [0], 11)), [[0, 0, 4, 12]]);
});

test('takes the first of the best peaks of a class that has none above the threshold', () => {
  assert.equal(places(findPeaks(maps, [1], 10)), [[1, 0, 4, 4]]);
  assert.equal(places(findPeaks({ ...maps, peakMap: new Uint32Array(30) }, [0, 1], 10)), []);
});

test('orders peaks by ascending score and scales them to the image', () => {
  const peaks = peaksInImage(findPeaks(maps, [0, 1], 3), { width, height }, { width: 64, height: 50 });
  assert.equal(places(peaks), [
    [1, 0, 51, 4],
    [1, 33, 25, 4],
    [0, 0, 0, 9],
    [0, 33, 25, 11],
    [0, 0, 51, 12],
  ]);
});

test('a peak response sums the channels, drops what is negative and adds up to 1', () => {
  expectClose(peakResponse([1, -3, 2, 0, 2, 1, 1, -5], 2), [0.5, 0, 0.5, 0]);
});

test.run();
