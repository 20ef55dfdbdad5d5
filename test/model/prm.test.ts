/** Resizing as Pillow does it, and instance masks from peaks. */
import { packMasks } from '@cim/model/masks/index';
import { peakResponse } from '@cim/model/peaks/index';
import {
  backgroundOf,
  contourOf,
  RETRIEVAL,
  type RetrievalOptions,
  resample,
  retrieveInstances,
  scoreMask,
} from '@cim/model/prm/index';
import { Generator } from '@cim/runtime';
import { randomArray } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('prm');
const canvas = { width: 23, height: 17 };
const pixels = canvas.width * canvas.height;

type Rectangle = readonly [x1: number, y1: number, x2: number, y2: number];
const rectangle = ([x1, y1, x2, y2]: Rectangle, { width, height } = canvas): Uint8Array =>
  Uint8Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    return x >= x1 && x < x2 && y >= y1 && y < y2 ? 1 : 0;
  });
const noise = (seed: number): Uint8Array =>
  Uint8Array.from(randomArray([pixels], seed), (v) => (Math.abs(v) > 0.6 ? 1 : 0));
const normalised = (values: ArrayLike<number>): Float32Array => {
  const total = Array.from(values).reduce((a, b) => a + b, 0);
  return Float32Array.from(values, (v) => v / total);
};

test('the contour is dilation less erosion', () => {
  for (const [seed, width] of [
    [1, 3],
    [2, 5],
    [3, 1],
  ]) {
    const mask = noise(seed);
    const reach = (width - 1) / 2;
    const expected = mask.map((_, i) => {
      const [x, y] = [i % canvas.width, Math.floor(i / canvas.width)];
      const near: number[] = [];
      for (let v = Math.max(0, y - reach); v <= Math.min(canvas.height - 1, y + reach); v++) {
        for (let u = Math.max(0, x - reach); u <= Math.min(canvas.width - 1, x + reach); u++)
          near.push(mask[v * canvas.width + u]);
      }
      return Math.max(...near) - Math.min(...near);
    });
    assert.equal(contourOf(mask, canvas, width), expected);
  }
});

test('the score is the sum of its three terms', () => {
  const [mask, contour, background] = [4, 5, 6].map(noise);
  const response = normalised(randomArray([pixels], 7).map(Math.abs));
  const sum = (where: Uint8Array, values: ArrayLike<number>): number =>
    where.reduce((total, inside, i) => total + inside * values[i], 0);
  const expected = 0.7 * sum(mask, response) + sum(contour, response) - 0.01 * sum(mask, background);
  const score = scoreMask({ mask, contour, response, background }, { balance: 0.7, penalty: 0.01 });
  assert.ok(Math.abs(score - expected) < 1e-12, `${score} instead of ${expected}`);
});

test('background is where the enlarged class response is low', () => {
  const map = { width: 4, height: 3, values: Float32Array.from([-5, -5, 9, 9, -5, -5, 9, 9, -5, -5, 9, 9]) };
  const background = backgroundOf(map, { width: 8, height: 6 }, 0.95);
  for (let y = 0; y < 6; y++) assert.equal([...background.subarray(8 * y, 8 * y + 8)], [1, 1, 1, 1, 0, 0, 0, 0]);
  const flat = { width: 2, height: 2, values: new Float32Array(4).fill(3) };
  assert.equal([...backgroundOf(flat, { width: 3, height: 3 }, 0.95)], new Array(9).fill(0));
});

test('resizing keeps flat planes and their means, whatever the filter', () => {
  const from = { width: 13, height: 9 };
  const generator = new Generator(8);
  const grey = Uint8Array.from({ length: 13 * 9 }, () => 60 + generator.integer(120));
  const mean = (values: Uint8Array): number => values.reduce((a, b) => a + b, 0) / values.length;
  for (const filter of ['bilinear', 'bicubic'] as const) {
    for (const to of [
      { width: 5, height: 4 },
      { width: 31, height: 20 },
    ]) {
      const flat = resample(new Uint8Array(13 * 9).fill(77), from, to, { channels: 1, filter });
      assert.equal(flat, new Uint8Array(to.width * to.height).fill(77));
      const resized = resample(grey, from, to, { channels: 1, filter });
      assert.ok(Math.abs(mean(resized) - mean(grey)) < 4, `${filter}: ${mean(resized)} of ${mean(grey)}`);
    }
  }
  // Halving with a triangle of reach 2: eighths 1 3 3 1 of the neighbours.
  const row = resample(
    Uint8Array.from([0, 0, 80, 160, 240, 240]),
    { width: 6, height: 1 },
    { width: 3, height: 1 },
    {
      channels: 1,
      filter: 'bilinear',
    },
  );
  assert.equal([...row], [11, 120, 229]);
});

/** Two objects of class 0, one of class 1; every peak's response covers its object, brightest at the edge. */
const objects: readonly Rectangle[] = [
  [1, 2, 7, 8],
  [10, 1, 16, 7],
  [9, 9, 19, 16],
];
const classOf = [0, 0, 1];
const grown = ([x1, y1, x2, y2]: Rectangle, by: number): Rectangle => [x1 - by, y1 - by, x2 + by, y2 + by];
const cues = {
  canvas,
  peaks: objects.map((object, i) => {
    const inner = rectangle(grown(object, -1));
    return { classIndex: classOf[i], response: normalised(rectangle(object).map((v, p) => 3 * v - 2 * inner[p])) };
  }),
  classMap: (classIndex: number) => {
    const values = new Float32Array(pixels);
    objects.forEach((object, i) => {
      if (classOf[i] === classIndex) for (const [p, v] of rectangle(object).entries()) values[p] += 10 * v;
    });
    return { ...canvas, values };
  },
};
const strict: RetrievalOptions = { ...RETRIEVAL, contourWidth: 3, penalty: 1e-3 };

test('each peak takes its object, not a part of it or more than it', () => {
  const candidates = objects.flatMap((object) => [grown(object, -2), grown(object, 2), object]);
  const masks = packMasks(
    [...candidates, [0, 0, 23, 17] as const].flatMap((r) => [...rectangle(r)]),
    10,
    23,
    17,
  );
  const found = retrieveInstances(cues, masks, strict);
  assert.equal(
    found
      .map(({ classIndex, proposal, peaks }) => ({ classIndex, proposal, peaks }))
      .sort((a, b) => a.proposal - b.proposal),
    [0, 1, 2].map((i) => ({ classIndex: classOf[i], proposal: 3 * i + 2, peaks: [i] })),
  );
  assert.ok(found.every(({ score }, i) => i === 0 || score <= found[i - 1].score));
  // The score is that of the mask for the peak.
  const first = found.find(({ proposal }) => proposal === 2)!;
  const [mask, response] = [rectangle(objects[0]), cues.peaks[0].response];
  const background = backgroundOf(cues.classMap(0), canvas, 0.95);
  assert.is(first.score, scoreMask({ mask, contour: contourOf(mask, canvas, 3), response, background }, strict));
});

test('a peak without a response takes no mask', () => {
  const dark = { ...cues.peaks[0], response: new Float32Array(pixels) };
  const masks = packMasks(rectangle(objects[0]), 1, 23, 17);
  assert.equal(retrieveInstances({ ...cues, peaks: [dark] }, masks, strict), []);
  assert.equal([...peakResponse([1, -1, -2, 1], 2)], [0, 0]);
});

test('masks at another size are brought to the canvas', () => {
  const big = { width: 46, height: 34 };
  const doubled = ([x1, y1, x2, y2]: Rectangle): Rectangle => [2 * x1, 2 * y1, 2 * x2, 2 * y2];
  const masks = packMasks(
    objects.flatMap((object) => [...rectangle(doubled(object), big)]),
    3,
    46,
    34,
  );
  const found = retrieveInstances(cues, masks, strict);
  assert.equal(new Set(found.map(({ proposal }) => proposal)), new Set([0, 1, 2]));
});

test('suppression merges peaks of one mask, within a class or across all', () => {
  const masks = packMasks(rectangle([1, 1, 19, 16]), 1, 23, 17);
  const within = retrieveInstances(cues, masks, strict);
  assert.equal(within.map(({ classIndex }) => classIndex).sort(), [0, 1]);
  assert.equal(within.find(({ classIndex }) => classIndex === 0)!.peaks.toSorted(), [0, 1]);
  const across = retrieveInstances(cues, masks, { ...strict, nmsScope: 'all' });
  assert.is(across.length, 1);
  assert.equal(across[0].peaks.toSorted(), [0, 1, 2]);
  const apart = retrieveInstances(cues, masks, { ...strict, nmsThreshold: 1.01 });
  assert.is(apart.length, 3);
});

test('only the first proposals of a fitting area are looked at', () => {
  const masks = packMasks(
    [[0, 0, 23, 17] as const, objects[0], objects[0]].flatMap((r) => [...rectangle(r)]),
    3,
    23,
    17,
  );
  const proposalsOf = (options: Partial<RetrievalOptions>): number[] =>
    retrieveInstances(cues, masks, { ...strict, nmsScope: 'all', ...options }).map(({ proposal }) => proposal);
  assert.equal(proposalsOf({}), [1], 'the whole picture is too large; of equal ones the first wins');
  assert.equal(proposalsOf({ proposals: 1 }), []);
  assert.equal(proposalsOf({ areaLimits: [0.5, 1.01] }), [0]);
});

test.run();
