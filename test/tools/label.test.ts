import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CocoResult } from '@cim/model/evaluate/coco-json';
import { decodeRle, encodeRle } from '@cim/model/evaluate/rle';
import type { PseudoLabelOptions, pseudoLabels } from '@cim/model/label/pseudo-labels';
import { packMasks } from '@cim/model/masks/index';
import { openDataset } from '@cim/tools/datasets/open';
import { DataError } from '@cim/tools/errors';
import { encodePng } from '@cim/tools/images/png';
import { resultsOfImages } from '@cim/tools/label/label-dataset';
import { writePseudoLabels } from '@cim/tools/label/write-labels';
import { writeCobMasks } from '@cim/tools/proposals/cob-mat-writer';
import { writeDetectionsPickle } from '@cim/tools/results/detections-pickle';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { cim } from './cim.ts';

const test = suite('label');
const folder = mkdtempSync(join(tmpdir(), 'cim-label-'));
test.after(() => rmSync(folder, { recursive: true }));

// The label list gives no sizes: they are read from the images.
const [width, height] = [5, 3];
mkdirSync(join(folder, 'images'));
for (const name of ['a', 'b', 'c']) {
  writeFileSync(
    join(folder, 'images', `${name}.png`),
    encodePng({ width, height, rgb: new Uint8Array(3 * width * height) }),
  );
}
writeFileSync(join(folder, 'train.csv'), 'file,labels\na.png,cat dog\nb.png,dog\nc.png,\n');

const [cat, dog] = [1, 2];
const rectangle = (x: number, w: number) =>
  Uint8Array.from({ length: width * height }, (_, i) => Number(i % width >= x && i % width < x + w));
const found = (image_id: number, category_id: number, score: number, x = 0, w = 2) => ({
  image_id,
  category_id,
  score,
  segmentation: encodeRle(rectangle(x, w), height, width),
});
const results = [
  found(1, cat, 0.9, 1, 3),
  found(1, cat, 0.4),
  found(1, dog, 0.2),
  found(2, cat, 0.8),
  found(2, dog, 0.3, 3),
  found(3, cat, 1),
];

const open = () => openDataset({ path: folder, split: 'train' });

/** What is read back from the file of labels. */
async function labelled(options: PseudoLabelOptions, entries: readonly CocoResult[] = results) {
  const out = join(folder, 'labels.json');
  const dataset = await open();
  await writePseudoLabels(out, resultsOfImages(dataset, entries), dataset.classes, options);
  return JSON.parse(readFileSync(out, 'utf8')) as ReturnType<typeof pseudoLabels>;
}

async function kept(options: PseudoLabelOptions): Promise<number[][]> {
  const { annotations } = await labelled(options);
  return annotations.map(({ image_id, category_id, score }) => [image_id, category_id, score]);
}

test('only confident results of the labels stay, with mask, box and size', async () => {
  const { images, annotations, categories } = await labelled({});
  assert.equal(
    annotations.map((a) => [a.id, a.image_id, a.category_id, a.score]),
    [
      [1, 1, cat, 0.9],
      [2, 1, cat, 0.4],
      [3, 2, dog, 0.3],
    ],
  );
  const [{ area, bbox, segmentation, iscrowd }] = annotations;
  assert.equal([area, bbox, iscrowd], [9, [1, 0, 3, 3], 0]);
  assert.equal(decodeRle(segmentation), rectangle(1, 3));
  assert.equal(
    images.map((image) => [image.id, image.file_name, image.width, image.height]),
    [
      [1, 'a.png', width, height],
      [2, 'b.png', width, height],
      [3, 'c.png', width, height],
    ],
  );
  assert.equal(
    categories.map(({ name }) => name),
    ['cat', 'dog'],
  );
});

test('the threshold, and the best of each class', async () => {
  assert.equal(await kept({ scoreThreshold: 0.5 }), [[1, cat, 0.9]]);
  assert.equal(await kept({ bestOnly: true }), [
    [1, cat, 0.9],
    [1, dog, 0.2],
    [2, dog, 0.3],
  ]);
});

test('results that make no labels are quoted', async () => {
  const rejects = async (result: object, pattern: RegExp) => {
    const error = await rejection(labelled({}, [{ ...results[0], ...result }]));
    assert.instance(error, DataError);
    assert.match(error.message, pattern);
  };
  await rejects({ category_id: 9 }, /image 1 \(a\.png\) has the category 9/);
  await rejects({ segmentation: undefined }, /image 1 \(a\.png, score 0\.9\) has no segmentation/);
});

test('the command writes the annotation file', async () => {
  const [file, out] = [join(folder, 'results.json'), join(folder, 'out', 'labels.json')];
  writeFileSync(file, JSON.stringify(results));
  const args = ['label', '--results', file, '--data', folder, '--out', out];
  const { code, stdout } = await cim(...args, '--threshold', '0.35');
  assert.is(code, 0);
  assert.match(stdout, /^2 pseudo labels in 1 of 3 images: /);
  assert.is(JSON.parse(readFileSync(out, 'utf8')).annotations.length, 2);
  const refused = await cim(...args, '--threshold', '2');
  assert.is(refused.code, 1);
  assert.match(refused.stderr, /It must be a number from 0 to 1/);
});

test('scores become labels: selected, with masks of COB, in the order of the original', async () => {
  // Image a has the proposals 0 to 3 of one class each; columns of pixels that do not meet.
  const columns = [0, 1, 2, 3];
  const masks = packMasks(
    columns.flatMap((x) => [...rectangle(x, 1)]),
    4,
    width,
    height,
  );
  await writeCobMasks(join(folder, 'a.mat'), masks, 'cells');
  const boxes = Float32Array.from(columns.flatMap((x) => [x, 0, x, height - 1]));
  //                                 cat   dog
  const scores = Float32Array.from([0.25, 0.5, 0.75, 0.1, 0.75, 0, 0.5, 0.625]);
  const [pickle, out] = [join(folder, 'discovery.pkl'), join(folder, 'all.json')];
  const source = {
    name: 'test',
    classes: 2,
    images: [{ file: '/JPEGImages/a.png', count: 4 }],
    read: async () => ({ scores, boxes }),
  };
  await writeDetectionsPickle(pickle, source, '');
  const label = (...options: string[]) =>
    cim('label', '--results', pickle, '--proposals', folder, '--data', folder, '--out', out, ...options);
  const written = () => JSON.parse(readFileSync(out, 'utf8')) as ReturnType<typeof pseudoLabels>;
  assert.is((await label('--threshold', '0')).code, 0);
  assert.equal(
    written().annotations.map(({ id, category_id, score, bbox }) => [id, category_id, score, bbox[0]]),
    [
      [1, cat, 0.75, 2],
      [2, cat, 0.75, 1],
      [3, cat, 0.5, 3],
      [4, cat, 0.25, 0],
      [5, dog, 0.625, 3],
      [6, dog, 0.5, 0],
      [7, dog, Math.fround(0.1), 1],
    ],
  );
  const [first] = written().annotations;
  assert.equal(Object.keys(first).join(), 'id,image_id,category_id,iscrowd,area,bbox,segmentation,width,height,score');
  assert.equal(first.segmentation, { size: [height, width], counts: [6, 3, 6] });
  assert.is((await label('--is_best', '--segmentation', 'rle')).code, 0);
  assert.equal(
    written().annotations.map(({ category_id, score }) => [category_id, score]),
    [
      [cat, 0.75],
      [cat, 0.75],
      [dog, 0.625],
    ],
  );
  assert.equal(written().annotations[0].segmentation, encodeRle(rectangle(2, 1), height, width));
  const refused = await cim('label', '--results', pickle, '--data', folder, '--out', out);
  assert.match(refused.stderr, /holds scores of proposals, not their masks/);
});

test.run();
