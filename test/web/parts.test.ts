/** The parts of the page Look that need no browser. */
import { encodeRle } from '@cim/model/evaluate/rle';
import { traceMask } from '@cim/tools/web/app/draw/outline';
import { chosenImages, countShown, type Filter, meanIou } from '@cim/tools/web/app/look/filter';
import type { ImageInfo } from '@cim/tools/web/wire';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('look');

type Points = [number, number][];

/** The closed lines around a picture of # and . */
function outlines(...rows: string[]): Points[] {
  const mask = Uint8Array.from(rows.join(''), (character) => (character === '#' ? 1 : 0));
  const lines: Points[] = [];
  traceMask(encodeRle(mask, rows.length, rows[0].length), {
    moveTo: (x, y) => lines.push([[x, y]]),
    lineTo: (x, y) => lines.at(-1)!.push([x, y]),
    closePath() {},
  });
  return lines;
}

/** Twice the signed area, positive for a line around a part, negative for one around a hole. */
const area = (points: Points): number =>
  points.reduce((sum, [x, y], i) => {
    const [nextX, nextY] = points[(i + 1) % points.length];
    return sum + x * nextY - nextX * y;
  }, 0);

test('one pixel is a diamond through the middles of its edges', () => {
  assert.equal(outlines('....', '.#..', '....'), [
    [
      [1.5, 1],
      [2, 1.5],
      [1.5, 2],
      [1, 1.5],
    ],
  ]);
});

test('straight stretches have no points between their ends', () => {
  const [line, ...more] = outlines('......', '.####.', '.####.', '.####.', '......');
  assert.is(more.length, 0);
  assert.is(line.length, 8);
  // A rectangle without its four corners, each half of a square of half a pixel.
  assert.is(area(line) / 2, 12 - 4 / 8);
});

test('holes and parts are lines of their own; corners that touch do not join', () => {
  const ring = outlines('#####', '#...#', '#.#.#', '#...#', '#####');
  assert.equal(
    ring.map((line) => Math.sign(area(line))),
    [1, -1, 1],
  );
  assert.is(outlines('#.', '.#').length, 2);
  assert.is(outlines('.#', '#.').length, 2);
  assert.equal(outlines('..', '..'), []);
});

test('every mask is enclosed: area and size of random masks', () => {
  let seed = 1;
  const random = (): number => (seed = (seed * 48271) % 2147483647) / 2147483647;
  for (let round = 0; round < 40; round++) {
    const [width, height] = [1 + Math.floor(random() * 9), 1 + Math.floor(random() * 9)];
    const rows = Array.from({ length: height }, () =>
      Array.from({ length: width }, () => (random() < 0.5 ? '#' : '.')).join(''),
    );
    const pixels = rows.join('').split('#').length - 1;
    const lines = outlines(...rows);
    const enclosed = lines.reduce((sum, line) => sum + area(line) / 2, 0);
    // Every corner that is cut changes the area by an eighth of a pixel.
    assert.ok(Math.abs(enclosed - pixels) <= (4 * pixels) / 8, `${rows.join('/')}: ${enclosed} of ${pixels}`);
    for (const [x, y] of lines.flat()) assert.ok(x >= 0 && y >= 0 && x <= width && y <= height);
  }
});

const image = (id: number, labels: number[], ious: number[], scores: number[]): ImageInfo => ({
  id,
  name: `${id}.jpg`,
  file: `${id}.jpg`,
  width: 10,
  height: 10,
  labels,
  objects: { detections: { classes: labels, ious, scores } },
});
const images = [image(1, [0, 1], [0.9, 0.2], [0.8, 0.4]), image(2, [1], [0.6], [0.1]), image(3, [], [], [])];
const open: Filter = { layers: new Set(['detections']), classes: new Set(), minScore: 0, minIou: 0, maxIou: 1 };
const ids = (filter: Partial<Filter>, order: Parameters<typeof chosenImages>[2] = 'file'): number[] =>
  chosenImages(images, { ...open, ...filter }, order).map(({ id }) => id);

test('filters by class, score and IoU', () => {
  assert.equal(ids({}), [1, 2, 3]);
  assert.equal(ids({ classes: new Set([0]) }), [1]);
  assert.equal(ids({ classes: new Set([1]) }), [1, 2]);
  assert.equal(ids({ classes: new Set([1]), minScore: 0.3, minIou: 0.5 }), [], 'none of the class passes');
  assert.equal(ids({ minIou: 0.5 }), [1, 2]);
  assert.equal(ids({ maxIou: 0.3 }), [1]);
  assert.equal(ids({ minIou: 0.5, layers: new Set(['truth']) }), [], 'the layer is not shown');
  assert.is(countShown({ ...open, minScore: 0.3 }, images[0]), 2);
  assert.is(countShown({ ...open, minScore: 0.5 }, images[0]), 1);
  assert.is(countShown({ ...open, layers: new Set() }, images[0]), 0);
});

test('orders; images without IoU come last', () => {
  assert.equal(ids({}, 'worst'), [1, 2, 3]);
  assert.equal(ids({}, 'best'), [2, 1, 3]);
  assert.equal(ids({ minScore: 0.5 }, 'best'), [1, 2, 3]);
  assert.equal(ids({}, 'most'), [1, 2, 3]);
  assert.ok(Math.abs(meanIou(open, images[0])! - 0.55) < 1e-9);
  assert.is(meanIou(open, images[2]), undefined);
});

test.run();
