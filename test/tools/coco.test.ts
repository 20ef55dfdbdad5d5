import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseCoco } from '@cim/tools/datasets/coco';
import { labelsOnly } from '@cim/tools/datasets/dataset';
import { groundTruth } from '@cim/tools/datasets/ground-truth';
import { openDataset } from '@cim/tools/datasets/open';
import { DataError } from '@cim/tools/errors';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';

const test = suite('coco');
const folder = mkdtempSync(join(tmpdir(), 'cim-coco-'));
test.after(() => rmSync(folder, { recursive: true }));

const categories = [
  { id: 7, name: 'fish' },
  { id: 3, name: 'traffic light' },
];
const images = [
  { id: 20, file_name: 'b.jpg', width: 40, height: 30 },
  { id: 9, file_name: 'a.jpg' },
];
const coco = (more: object) => JSON.stringify({ images, categories, annotations: [], ...more });

function put(path: string, content = ''): string {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

test('labels are the union of the categories, classes in file order', () => {
  const annotations = [
    { id: 1, image_id: 20, category_id: 3 },
    { id: 2, image_id: 20, category_id: 7, bbox: [1, 2, 10, 10], area: 80, iscrowd: 1 },
    { id: 3, image_id: 20, category_id: 3, bbox: [1, 2, 10, 10] },
  ];
  const list = parseCoco(`\uFEFF${coco({ annotations })}`, 'x.json');
  assert.equal(list.classes, categories);
  const [b, a] = list.images;
  assert.equal(b.labels, [0, 1]);
  assert.equal(b.annotations, annotations);
  assert.equal([b.width, b.height, a.width, a.labels], [40, 30, undefined, []]);
});

test('annotations that the original leaves out give no label', () => {
  const labelsOf = (annotation: object) =>
    parseCoco(coco({ annotations: [{ image_id: 20, category_id: 7, ...annotation }] }), 'x.json').images[0].labels;
  assert.equal(labelsOf({ ignore: 1 }), []);
  assert.equal(labelsOf({ ignore: 0 }), [0]);
  assert.equal(labelsOf({ area: 0 }), []);
  assert.equal(labelsOf({ area: 0.5 }), [0]);
  assert.equal(labelsOf({ bbox: [5, 5, 1, 9] }), []);
  assert.equal(labelsOf({ bbox: [5, 5, 2, 2] }), [0]);
  assert.equal(labelsOf({ bbox: [39, 5, 9, 9] }), [], 'the image ends after column 39');
  assert.equal(labelsOf({ bbox: [38, 5, 9, 9] }), [0]);
  assert.equal(labelsOf({ bbox: [-9, 5, 10, 9] }), []);
});

test('what is wrong is quoted with file and id', async () => {
  const cases: [string, RegExp][] = [
    ['{', /x\.json is not JSON/],
    ['[]', /no object/],
    ['{"a": 1}', /no "categories"/],
    [coco({ images: {} }), /"images" is not a list/],
    [coco({ images: [4] }), /images\[0\] is 4/],
    [coco({ images: [{ id: '4', file_name: 'a' }] }), /images\[0\]\.id is "4"/],
    [coco({ images: [{ id: 4 }] }), /image 4 has no file_name/],
    [coco({ images: [{ id: 4, file_name: 'a', width: 0 }] }), /image 4 has the width 0/],
    [coco({ images: [...images, images[0]] }), /image id 20 \("b\.jpg"\) stands twice/],
    [coco({ categories: [...categories, categories[1]] }), /category id 3 \("traffic light"\) stands twice/],
    [coco({ categories: [{ id: 1 }] }), /category 1 has no name/],
    [coco({ annotations: [{ id: 5, image_id: 99, category_id: 7 }] }), /annotations\[0\] \(id 5\) names image 99/],
    [coco({ annotations: [{ image_id: 9, category_id: 8 }] }), /annotations\[0\] names category 8/],
    [coco({ annotations: [{ image_id: 9, category_id: 7, bbox: [1, 2] }] }), /bbox \[1,2\]/],
    [coco({ annotations: [{ image_id: 9, category_id: 7, area: 'big' }] }), /area "big"/],
  ];
  for (const [text, message] of cases) {
    const error = await rejection(() => parseCoco(text, 'x.json'));
    assert.instance(error, DataError);
    assert.match(error.message, message);
    assert.match(error.message, 'x.json');
    assert.ok(error.remedy);
  }
});

test('a folder is opened by split, images ascending by id', async () => {
  const annotations = [{ image_id: 20, category_id: 3 }];
  const file = put('set/annotations/train.json', coco({ annotations }));
  for (const name of ['a.jpg', 'b.jpg']) put(`set/JPEGImages/${name}`);
  for (const path of [join(folder, 'set'), file]) {
    const dataset = await openDataset({ path, split: 'train' });
    assert.is(dataset.name, 'train');
    assert.is(dataset.root, join(folder, 'set'));
    assert.equal(
      dataset.images.map((image) => image.id),
      [9, 20],
    );
    assert.is(dataset.images[0].file, join(folder, 'set/JPEGImages/a.jpg'));
    const training = labelsOnly(dataset);
    assert.is(training.unlabelled, 1);
    assert.equal(
      training.images.map(({ id, labels }) => ({ id, labels })),
      [{ id: 20, labels: [1] }],
    );
    assert.not('annotations' in training.images[0]);
  }
});

test('images are found in every usual place', async () => {
  for (const place of ['images', 'val', 'val2017', 'images/val', '.', 'annotations']) {
    const root = `places/${place.replaceAll(/\W/g, '_')}`;
    put(`${root}/annotations/instances_val2017.json`, coco({}));
    const files = ['a.jpg', 'b.jpg'].map((name) => put(`${root}/${place}/${name}`));
    const dataset = await openDataset({ path: join(folder, root), split: 'val' });
    assert.equal(
      dataset.images.map((image) => image.file),
      files,
    );
  }
});

test('missing files are reported together', async () => {
  const many = Array.from({ length: 8 }, (_, id) => ({ id, file_name: `${id}.jpg` }));
  put('gone/train.json', coco({ images: many }));
  put('gone/3.jpg');
  const error = await rejection(() => openDataset({ path: join(folder, 'gone'), split: 'train' }));
  assert.instance(error, DataError);
  assert.match(error.message, '7 of the 8 images');
  assert.match(error.message, '0.jpg, 1.jpg, 2.jpg, 4.jpg, 5.jpg and 2 more');
  assert.match(error.remedy ?? '', join(folder, 'gone', 'JPEGImages'));
});

test('data sets that cannot be used say why', async () => {
  put('empty/train.json', coco({ images: [] }));
  put('bare/annotations/val.json', coco({}));
  for (const name of ['a.jpg', 'b.jpg']) put(`bare/${name}`);
  const open = (name: string, split: string, more = {}) => openDataset({ path: join(folder, name), split, ...more });
  assert.match((await rejection(() => open('empty', 'train'))).message, 'lists no image');
  assert.match((await rejection(() => open('nowhere', 'train'))).message, 'does not exist');
  assert.match((await rejection(() => open('bare', 'train'))).message, 'no annotations of the split "train"');
  const bare = await open('bare', 'val');
  assert.match((await rejection(() => labelsOnly(bare))).message, 'None of the 2 images');
  const other = [categories[0], { id: 3, name: 'bus' }];
  const error = await rejection(() => open('bare', 'val', { classes: other }));
  assert.match(error.message, 'Class 2 of');
  assert.match(error.message, '"traffic light" (id 3), in the training data it is "bus" (id 3)');
  assert.match((await rejection(() => open('bare', 'val', { classes: [categories[0]] }))).message, 'it is missing');
  await open('bare', 'val', { classes: categories });
});

test('ground truth completes what the masks tell, and asks for what they cannot', async () => {
  const square = [[1, 1, 5, 1, 5, 4, 1, 4]];
  const annotations = [
    { id: 4, image_id: 20, category_id: 3, segmentation: square },
    { image_id: 20, category_id: 7, segmentation: square, area: 3.5, bbox: [0, 0, 2, 2], iscrowd: 1 },
  ];
  put('truth/val.json', coco({ images: images.slice(0, 1), annotations }));
  put('truth/b.jpg');
  const dataset = await openDataset({ path: join(folder, 'truth'), split: 'val' });
  const truth = groundTruth(dataset);
  assert.equal(truth.categories, categories);
  assert.equal(truth.images, images.slice(0, 1));
  const [first, second] = truth.annotations;
  assert.equal([first.id, first.area, first.bbox, first.iscrowd], [4, 12, [1, 1, 4, 3], 0]);
  assert.equal([second.id, second.area, second.bbox, second.iscrowd], [5, 3.5, [0, 0, 2, 2], 1]);
  const [image] = dataset.images;
  const bare = { ...image, annotations: [{ id: 8, image_id: 20, category_id: 3 }] };
  assert.throws(() => groundTruth({ ...dataset, images: [bare] }), /annotation 8 of b\.jpg has no segmentation/);
  assert.throws(() => groundTruth({ ...dataset, images: [{ ...image, width: undefined }] }), /size of b\.jpg/);
});

test.run();
