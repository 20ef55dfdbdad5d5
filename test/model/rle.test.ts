import { polygonRuns } from '@cim/model/evaluate/polygon';
import {
  compressRuns,
  decodeRle,
  intersectionArea,
  MaskError,
  mergeRuns,
  parseRle,
  rleArea,
  runsArea,
  runsOfMask,
  uncompressRuns,
} from '@cim/model/evaluate/rle';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('rle');

/** A mask of random blots; row-major. */
const blots = (height: number, width: number, seed: number): Uint8Array =>
  Uint8Array.from({ length: height * width }, (_, i) => Number((((i >> 2) + seed) * 2654435761) % 97 < 40));

test('masks survive both encodings', () => {
  for (const [height, width] of [
    [1, 1],
    [1, 17],
    [23, 1],
    [31, 40],
  ] as const) {
    const mask = blots(height, width, height);
    const runs = runsOfMask(mask, height, width);
    assert.equal(decodeRle(compressRuns(runs)), mask);
    assert.equal(decodeRle(uncompressRuns(runs)), mask);
    const area = mask.reduce((sum, pixel) => sum + pixel, 0);
    assert.equal([runsArea(runs), rleArea(compressRuns(runs)), rleArea(uncompressRuns(runs))], [area, area, area]);
  }
});

test('the intersection is as large as what both masks share', () => {
  const [a, b] = [1, 2].map((seed) => runsOfMask(blots(19, 13, seed), 19, 13));
  assert.is(intersectionArea(a, b), runsArea(mergeRuns([a, b], 'intersection')));
  assert.is(runsArea(a) + runsArea(b) - intersectionArea(a, b), runsArea(mergeRuns([a, b], 'union')));
});

test('refuses polygons without end', () => {
  for (const far of [1e9, 1e300]) {
    assert.throws(
      () => polygonRuns([0, 0, far, 0, far, 9], 10, 10),
      (error: Error) => error instanceof MaskError && /boundary of/.test(error.message),
    );
  }
});

test('refuses broken encodings', () => {
  const isMaskError = (error: Error): boolean => error instanceof MaskError;
  assert.throws(() => parseRle({ size: [3, 3], counts: [4, 4] }), isMaskError);
  assert.throws(() => parseRle({ size: [3, 3], counts: '54!' }), isMaskError);
  assert.throws(() => parseRle({ size: [3, 3], counts: 'T' }), isMaskError);
  assert.throws(() => rleArea({ size: [3, 3], counts: [4, 4] }), isMaskError);
  assert.throws(() => rleArea({ size: [3, 3], counts: '54!' }), isMaskError);
  assert.throws(() => runsOfMask(new Uint8Array(8), 3, 3), isMaskError);
  const [a, b] = [parseRle({ size: [3, 4], counts: [12] }), parseRle({ size: [4, 3], counts: [12] })];
  assert.throws(() => mergeRuns([a, b], 'union'), isMaskError);
  assert.throws(() => mergeRuns([], 'union'), isMaskError);
});

test('runs of length 0 in both masks at one place do not end a merge early', () => {
  const a = parseRle({ size: [2, 4], counts: [2, 0, 2, 4] });
  const b = parseRle({ size: [2, 4], counts: [2, 0, 3, 3] });
  assert.equal(decodeRle(compressRuns(mergeRuns([a, b], 'intersection'))), Uint8Array.of(0, 0, 0, 1, 0, 0, 1, 1));
  assert.is(intersectionArea(a, b), 3);
});

test.run();
