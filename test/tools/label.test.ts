import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeRle, encodeRle } from '@cim/model/evaluate/rle';
import { labelsOnly } from '@cim/tools/datasets/dataset';
import { openDataset } from '@cim/tools/datasets/open';
import { DataError } from '@cim/tools/errors';
import { encodePng } from '@cim/tools/images/png';
import { labelDataset } from '@cim/tools/label/label-dataset';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
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

const open = async () => labelsOnly(await openDataset({ path: folder, split: 'train' }));

async function kept(options: Parameters<typeof labelDataset>[2]): Promise<number[][]> {
  const { annotations } = await labelDataset(await open(), results, options);
  return annotations.map(({ image_id, category_id, score }) => [image_id, category_id, score]);
}

test('only confident results of the labels stay, with mask, box and size', async () => {
  const { images, annotations, categories } = await labelDataset(await open(), results, {});
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
    const error = await labelDataset(await open(), [{ ...results[0], ...result }], {}).catch(
      (reason: unknown) => reason,
    );
    assert.instance(error, DataError);
    assert.match((error as Error).message, pattern);
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
  assert.match(stdout, /^2 pseudo labels in 1 of 2 images: /);
  assert.is(JSON.parse(readFileSync(out, 'utf8')).annotations.length, 2);
  const refused = await cim(...args, '--threshold', '2');
  assert.is(refused.code, 1);
  assert.match(refused.stderr, /It must be a number from 0 to 1/);
});

test.run();
