import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CocoResult } from '@cim/model/evaluate/coco-json';
import { encodeRle } from '@cim/model/evaluate/rle';
import { packMasks } from '@cim/model/masks/index';
import { groundTruth } from '@cim/tools/datasets/ground-truth';
import { openDataset } from '@cim/tools/datasets/open';
import { readGroundTruth } from '@cim/tools/datasets/read-ground-truth';
import { drawDetections, drawPanels } from '@cim/tools/draw/draw-dataset';
import { classColour } from '@cim/tools/draw/palette';
import { labelsPanel, objectsPanel, proposalsPanel, scoresPanel } from '@cim/tools/draw/panels';
import { DataError } from '@cim/tools/errors';
import { decodeImage } from '@cim/tools/images/decode';
import { encodePng } from '@cim/tools/images/png';
import type { DecodedImage } from '@cim/tools/images/size';
import { writeCobMasks } from '@cim/tools/proposals/cob-mat-writer';
import { writeDetectionsPickle } from '@cim/tools/results/detections-pickle';
import { openScores } from '@cim/tools/results/open-scores';
import type { ScoreSource } from '@cim/tools/results/scores';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cim } from './cim.ts';

const test = suite('draw data set');
const folder = mkdtempSync(join(tmpdir(), 'cim-draw-'));
test.after(() => rmSync(folder, { recursive: true }));

// A grey image is enlarged twelve times: 40 × 30 becomes 480 × 360.
const [width, height, zoom] = [40, 30, 12];
const block = (left: number, top: number): Uint8Array =>
  Uint8Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    return Number(x >= left && x < left + 10 && y >= top && y < top + 10);
  });
const mask = (left: number, top: number) => encodeRle(block(left, top), height, width);
const names = ['a.png', 'more/a.png', 'more-a.jpg', 'd.png'];
mkdirSync(join(folder, 'images', 'more'), { recursive: true });
for (const name of names) {
  writeFileSync(
    join(folder, 'images', name),
    encodePng({ width, height, rgb: new Uint8Array(3 * width * height).fill(128) }),
  );
}
writeFileSync(
  join(folder, 'val.json'),
  JSON.stringify({
    images: names.map((file_name, i) => ({ id: i + 1, file_name, width, height })),
    categories: [
      { id: 5, name: 'cat' },
      { id: 9, name: 'dog' },
    ],
    annotations: [{ image_id: 1, category_id: 9, segmentation: mask(2, 15) }],
  }),
);
const results: CocoResult[] = [
  { image_id: 1, category_id: 5, score: 0.5, segmentation: mask(20, 15) },
  { image_id: 1, category_id: 9, score: 0.75, bbox: [2, 15, 10, 10] },
  { image_id: 1, category_id: 9, score: 0.2, segmentation: mask(30, 15) },
];
const dataset = await openDataset({ path: folder, split: 'val' });
const [cat, dog] = [classColour(0), classColour(1)];
const at = ({ rgb, width: row }: DecodedImage, x: number, y: number): number[] => [
  ...rgb.subarray(3 * (y * row + x), 3 * (y * row + x) + 3),
];

test('objects stand left, confident detections right', async () => {
  const out = join(folder, 'both');
  const pictures = await drawDetections({
    dataset,
    results,
    groundTruth: groundTruth(dataset),
    folder: out,
    minScore: 0.3,
  });
  assert.equal(pictures[0], { title: 'a.png', caption: 'Objects: dog. Found: dog 0.75, cat 0.50', file: 'both/a.png' });
  assert.equal(pictures[3], { title: 'd.png', caption: 'Objects: none. Found: nothing', file: 'both/d.png' });
  const picture = await decodeImage(join(out, 'a.png'));
  const right = picture.width - 6 - width * zoom;
  const corner = (left: number, x: number): number[] => at(picture, left + x * zoom, 6 + 25 * zoom - 1);
  assert.equal(picture.height, height * zoom + 12);
  assert.equal(corner(6, 2), [...dog]);
  assert.equal(corner(6, 20), [128, 128, 128]);
  assert.equal(corner(right, 2), [...dog], 'a box without a mask');
  assert.equal(corner(right, 20), [...cat]);
  assert.equal(corner(right, 30), [128, 128, 128], 'below the lowest score');
});

test('every image has its own file, and the sheet holds them', async () => {
  const out = join(folder, 'all');
  const pictures = await drawDetections({ dataset, results, groundTruth: null, folder: out, minScore: 0.3 });
  assert.equal(
    pictures.map(({ file }) => file),
    ['all/a.png', 'all/more-a.png', 'all/more-a-3.png', 'all/d.png'],
  );
  assert.equal(readdirSync(out).sort(), ['a.png', 'contact-sheet.png', 'd.png', 'more-a-3.png', 'more-a.png']);
  const sheet = await decodeImage(join(out, 'contact-sheet.png'));
  assert.equal([sheet.width, sheet.height], [3 * width * zoom + 24, 2 * height * zoom + 18]);
});

test('fewer images are spread over the data set', async () => {
  const options = {
    dataset,
    results: null,
    groundTruth: groundTruth(dataset),
    folder: join(folder, 'few'),
    minScore: 0,
  };
  const pictures = await drawDetections({ ...options, limit: 2 });
  assert.equal(
    pictures.map(({ title }) => title),
    ['a.png', 'more-a.jpg'],
  );
  assert.is((await drawDetections({ ...options, limit: 9 })).length, 4);
});

test('results of another data set are quoted', async () => {
  const rejects = async (result: Partial<CocoResult>, pattern: RegExp) => {
    const wrong = [{ ...results[0], ...result }];
    const error = await drawDetections({
      dataset,
      results: wrong,
      groundTruth: null,
      folder: join(folder, 'bad'),
      minScore: 0,
    }).catch((reason: unknown) => reason);
    assert.instance(error, DataError);
    assert.match((error as Error).message, pattern);
  };
  await rejects({ category_id: 6 }, /instance in a\.png has the category 6, which "val" lacks/);
  await rejects({ segmentation: encodeRle(new Uint8Array(6), 2, 3) }, /mask in a\.png has 6 pixels, the image 30 × 40/);
});

test('the command draws what is asked for', async () => {
  const [file, out] = [join(folder, 'results.json'), join(folder, 'out')];
  writeFileSync(file, JSON.stringify(results));
  const { code, stdout } = await cim(
    'draw',
    '--data',
    folder,
    '--results',
    file,
    '--ground-truth',
    '--limit',
    '1',
    '--out',
    out,
  );
  assert.is(code, 0);
  assert.match(stdout, /^1 pictures: /);
  assert.equal(readdirSync(out).sort(), ['a.png', 'contact-sheet.png']);
  const refused = await cim('draw', '--data', folder, '--out', out);
  assert.is(refused.code, 1);
  assert.match(refused.stderr, /There is nothing to draw/);
});

test('objects, proposals, pseudo labels and selected scores stand side by side', async () => {
  const run = join(folder, 'run');
  const [left, right] = [block(2, 15), block(20, 15)];
  await writeCobMasks(join(run, 'd.mat'), packMasks([...left, ...right], 2, width, height), 'cells');
  const source: ScoreSource = {
    name: 'test',
    classes: 2,
    images: [{ file: '/JPEGImages/d.png', count: 2 }],
    read: async () => ({
      scores: Float32Array.of(0.125, 0.75, 0.5, 0),
      boxes: Float32Array.of(2, 15, 12, 25, 20, 15, 30, 25),
    }),
  };
  await writeDetectionsPickle(join(run, 'detections.pkl'), source, '');
  const [image] = dataset.images.filter(({ fileName }) => fileName === 'd.png');
  const label = {
    id: 1,
    image_id: image.id,
    category_id: 9,
    area: 100,
    bbox: [20, 15, 10, 10],
    iscrowd: 0,
    score: 0.75,
  };
  const labels = {
    images: dataset.images.map(({ id, fileName }) => ({ id, file_name: fileName, width, height })),
    categories: dataset.classes,
    annotations: [{ ...label, segmentation: mask(20, 15) }],
  };
  writeFileSync(join(run, 'pseudo-labels.json'), JSON.stringify(labels));
  const only = { ...dataset, images: [image] };
  const pictures = await drawPanels({
    dataset: only,
    panels: [
      objectsPanel(only, groundTruth(only)),
      proposalsPanel(run),
      labelsPanel(only, await readGroundTruth(join(run, 'pseudo-labels.json'))),
      scoresPanel(only, await openScores(join(run, 'detections.pkl')), run, 0.3),
    ],
    folder: join(folder, 'panels'),
    boxes: true,
  });
  assert.equal(pictures, [
    {
      title: 'd.png',
      caption: 'Objects: none. Proposals: 2. Labels: dog 0.75. Found: dog 0.75, cat 0.50',
      file: 'panels/d.png',
    },
  ]);
  const picture = await decodeImage(join(folder, 'panels', 'd.png'));
  assert.equal([picture.width, picture.height], [2 * width * zoom + 18, 2 * height * zoom + 18]);
  const [second, third] = [6 + width * zoom + 6, 6 + height * zoom + 6];
  // The lower edge of the left and the right square in a panel, and the middle of the right one.
  const seen = (x: number, y: number) =>
    [at(picture, x + 2 * zoom, y + 25 * zoom - 1), at(picture, x + 20 * zoom, y + 25 * zoom - 1)].map(String);
  const grey = '128,128,128';
  assert.equal(seen(6, 6), [grey, grey], 'no objects');
  assert.equal(seen(second, 6), [String(cat), String(dog)], 'a colour for each proposal');
  assert.is(String(at(picture, second + 25 * zoom, 6 + 20 * zoom)), grey, 'proposals are contours');
  assert.equal(seen(6, third), [grey, String(dog)], 'labels');
  assert.equal(seen(second, third), [String(dog), String(cat)], 'selected scores');

  const out = join(folder, 'of-run');
  writeFileSync(join(run, 'results.json'), JSON.stringify(results));
  const only1 = ['--limit', '1', '--out', out];
  const trained = await cim('draw', '--data', folder, '--run', run, ...only1);
  assert.is(trained.code, 0, trained.stderr);
  const refused = await cim('draw', '--data', folder, '--results', join(run, 'detections.pkl'), ...only1);
  assert.match(refused.stderr, /cannot be drawn without proposals/);
});

test.run();
