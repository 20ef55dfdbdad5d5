/** VOC's own files as a data set that the original and we can open. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { decodeRle, encodeRle } from '@cim/model/evaluate/rle';
import type { WorkingSize } from '@cim/model/infer/image-proposals';
import { readVocAnnotation } from '@cim/tools/data/voc/annotation';
import { convertVoc } from '@cim/tools/data/voc/convert';
import { labelsOnly } from '@cim/tools/datasets/dataset';
import { groundTruth } from '@cim/tools/datasets/ground-truth';
import { openSplits } from '@cim/tools/datasets/open';
import { readPoints } from '@cim/tools/datasets/points';
import { DataError } from '@cim/tools/errors';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { temporaryFolder } from './tiny-run.ts';
import { segmentation, TINY, TINY_NAMES, tinyXml, writeTinyVoc } from './tiny-voc.ts';

const test = suite('VOC');
const root = join(temporaryFolder('voc'), 'VOC2012');
const put = await writeTinyVoc(root);
const [masked, sbd, boxes, val] = TINY_NAMES;
const { width, height } = TINY;

interface Converted {
  images: { id: number; file_name: string; width: number; height: number }[];
  annotations: Record<string, never>[];
  categories: { id: number; name: string }[];
}
const read = (split: string) =>
  JSON.parse(readFileSync(join(root, `annotations/voc_2012_${split}.json`), 'utf8')) as Converted;
/** The rectangle of pixels, as a compressed mask. */
function rectangle(x1: number, y1: number, x2: number, y2: number) {
  const mask = new Uint8Array(width * height).map((_, i) => {
    const [y, x] = [Math.floor(i / width), i % width];
    return x >= x1 && x < x2 && y >= y1 && y < y2 ? 1 : 0;
  });
  return encodeRle(mask, height, width);
}

test('annotations become COCO files: ids, categories, boxes, areas and masks', async () => {
  const totals: number[] = [];
  const { images, objects, masked: withMasks } = await convertVoc(root, 'trainaug', (total) => totals.push(total));
  assert.equal([images, objects, withMasks], [3, 7, 2]);
  assert.equal(totals, [3, 3, 3]);
  const train = read('trainaug');
  assert.equal(train.categories.length, 20);
  assert.is(train.categories[0].name, 'aeroplane');
  assert.equal(train.categories[19], { id: 20, name: 'tvmonitor', supercategory: 'object' });
  assert.equal(train.images, [
    { id: 2007000032, file_name: `${masked}.jpg`, width, height },
    { id: 2008000001, file_name: `${sbd}.jpg`, width, height },
    { id: 2008000002, file_name: `${boxes}.jpg`, width, height },
  ]);
  const whole = { iscrowd: 0 };
  assert.equal(train.annotations, [
    {
      id: 1,
      image_id: 2007000032,
      category_id: 1,
      ...whole,
      segmentation: rectangle(2, 3, 12, 9),
      area: 60,
      bbox: [2, 3, 10, 6],
    },
    {
      id: 2,
      image_id: 2007000032,
      category_id: 15,
      ...whole,
      segmentation: rectangle(14, 5, 20, 19),
      area: 84,
      bbox: [14, 5, 6, 14],
    },
    {
      id: 3,
      image_id: 2008000001,
      category_id: 15,
      ...whole,
      segmentation: rectangle(3, 2, 10, 8),
      area: 42,
      bbox: [3, 2, 7, 6],
    },
    {
      id: 4,
      image_id: 2008000001,
      category_id: 2,
      ...whole,
      segmentation: rectangle(12, 10, 28, 18),
      area: 128,
      bbox: [12, 10, 16, 8],
    },
    { id: 5, image_id: 2008000002, category_id: 10, ...whole, area: 200, bbox: [0, 0, 10, 20] },
    { id: 6, image_id: 2008000002, category_id: 20, ...whole, area: 377, bbox: [4, 5.5, 26, 14.5] },
    { id: 7, image_id: 2008000002, category_id: 12, ...whole, area: 49, bbox: [2, 2, 7, 7], ignore: 1 },
  ]);
  await convertVoc(root, 'val');
  assert.is(read('val').annotations.length, 1);
  assert.is(readFileSync(join(root, 'ImageSets/Main/trainaug.txt'), 'utf8'), `${masked}\n${sbd}\n${boxes}\n`);
  assert.is(readFileSync(join(root, 'ImageSets/Main/sbdval.txt'), 'utf8'), `${val}\n`);
});

test('the original layout opens as a data set', async () => {
  const { train, val: validation } = await openSplits(root);
  assert.is(train.name, 'voc_2012_trainaug');
  assert.is(validation.name, 'voc_2012_val');
  assert.equal(
    labelsOnly(train).images.map(({ fileName, labels }) => [fileName, labels]),
    [
      [`${masked}.jpg`, [0, 14]],
      [`${sbd}.jpg`, [1, 14]],
      [`${boxes}.jpg`, [9, 19]],
    ],
  );
  const { segmentation: mask } = groundTruth(validation).annotations[0];
  assert.equal(decodeRle(mask as ReturnType<typeof rectangle>), decodeRle(rectangle(0, 0, 30, 10)));
});

test('points are read in the pixels of the working image', async () => {
  const { train } = await openSplits(root);
  const [entry] = train.images;
  const size = { width, height, original: TINY };
  const points = (text: string, at: WorkingSize = size) => {
    put(`Center_points/${masked}.txt`, text);
    return readPoints(root, entry, train.classes, at);
  };
  assert.equal(await points('6.9 5.2 0 1.0\n17 12 14 0.5\n'), [
    { row: 5, column: 6, classIndex: 0 },
    { row: 12, column: 17, classIndex: 14 },
  ]);
  assert.equal(await points('29.5 19 14 1', { width: 15, height: 10, original: TINY }), [
    { row: 9, column: 14, classIndex: 14 },
  ]);
  assert.equal(await points(''), []);
  for (const [text, message] of [
    ['1 2 0 1\n3 4 0', /line 2: "3 4 0" is not a point/],
    ['1 2 0 1\n\n3 4 0 1', /line 2: "" is not a point/],
    ['1 2 x 1', /line 1: "1 2 x 1" is not a point/],
    ['1 2 0.5 1', /is not a point/],
    ['30 2 0 1', /the point \(30, 2\) lies outside the image of 30×20/],
    ['3 -1 0 1', /lies outside/],
    ['3 4 20 1', /the class 20 is not one of 0 to 19/],
    ['1 2 0 1\n3 4 2 1', /line 2: the class 2 \("bird"\) is not a label of 2007_000032\.jpg \(aeroplane, person\)/],
  ] as const) {
    const error = await rejection(points(text));
    assert.instance(error, DataError);
    assert.match(error.message, message);
    assert.match(error.message, `${masked}.txt`);
  }
  rmSync(join(root, 'Center_points'), { recursive: true });
  assert.match((await rejection(readPoints(root, entry, train.classes, size))).message, /no such file/);
});

test('broken XML is named with its line', async () => {
  const good = tinyXml(
    'x',
    '\n  <object><name>cat</name>\n    <bndbox><xmin>2</xmin><ymin>3</ymin><xmax>4</xmax><ymax>9</ymax></bndbox></object>',
  );
  const file = put('Annotations/x.xml', good);
  assert.equal(await readVocAnnotation(file), {
    width,
    height,
    objects: [{ category: 8, box: [1, 2, 3, 7], difficult: false }],
  });
  const bomb = `<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;">]>\n${good}`;
  for (const [text, message] of [
    [good.replace('</size>', '</siz>'), /line 3: it is not XML/],
    ['', /it is not XML|holds no <annotation>/],
    ['<other/>', /line 1: it holds no <annotation>/],
    [bomb, /line 2: it declares a document type/],
    [good.replace('cat', 'unicorn'), /line 4: the class "unicorn" is not one of VOC's/],
    [good.replace('cat', '&lt;cat&gt;'), /line 4: the class "&lt;cat&gt;"/],
    [good.replace('<xmin>2', '<xmin>two'), /line 5: <xmin> is "two", not a number/],
    [good.replace('<xmin>2</xmin>', ''), /line 5: <xmin> is undefined, not a number/],
    [good.replace('<ymax>9', '<ymax>1'), /line 5: the box 2, 3, 4, 1 is turned round/],
    [good.replace(/<bndbox>.*<\/bndbox>/, ''), /line 4: there is no <bndbox>/],
    [good.replace('<width>30', '<width>0'), /line 3: the image is 0×20 pixels/],
    [good + ' '.repeat(2 ** 20), /bytes; annotations have no more than 1048576/],
    [`<annotation>${'<a>'.repeat(50_000)}`, /not XML/],
  ] as const) {
    put('Annotations/x.xml', text);
    const error = await rejection(readVocAnnotation(file));
    assert.instance(error, DataError, String(message));
    assert.match(error.message, message);
    assert.match(error.message, file);
    assert.ok(error.remedy);
  }
});

test('lists, masks and annotations that do not fit are named', async () => {
  const failing = async (message: RegExp) => {
    const error = await rejection(convertVoc(root, 'trainaug'));
    assert.instance(error, DataError);
    assert.match(error.message, message);
  };
  put('ImageSets/Segmentation/trainaug.txt', `${masked}\nnot a name\n`);
  await failing(/trainaug\.txt, line 2: "not a name" is not the name of a VOC image/);
  put('ImageSets/Segmentation/trainaug.txt', '2011_999999\n');
  await failing(/2011_999999 has no annotation/);
  put('ImageSets/Segmentation/trainaug.txt', `${masked}\n`);
  put(`SegmentationClass/${masked}.png`, segmentation([{ instance: 0, category: 0, box: [0, 0, 1, 1] }], 'category'));
  await failing(/Instance 1 of .*\.png has the class 0/);
  put('ImageSets/Segmentation/trainaug.txt', `${sbd}\n`);
  put(`SBD/inst/${sbd}.mat`, 'not a MATLAB file');
  await failing(/2008_000001\.mat/);
  rmSync(join(root, 'ImageSets'), { recursive: true });
  rmSync(join(root, 'SBD'), { recursive: true });
  await failing(/has no list of the images of trainaug/);
});

test.run();
