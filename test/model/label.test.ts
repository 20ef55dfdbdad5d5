import { decodeRle, encodeRle, MaskError } from '@cim/model/evaluate/rle';
import { type LabelledImage, pseudoLabels } from '@cim/model/label/pseudo-labels';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const [height, width] = [4, 5];
const mask = (...pixels: number[]) =>
  encodeRle(
    Uint8Array.from({ length: 20 }, (_, i) => Number(pixels.includes(i))),
    height,
    width,
  );
const image = (id: number, rest: Omit<LabelledImage, 'id' | 'file_name' | 'width' | 'height'>): LabelledImage => ({
  id,
  file_name: `${id}.jpg`,
  width,
  height,
  ...rest,
});
const categories = [
  { id: 11, name: 'a' },
  { id: 3, name: 'b' },
  { id: 7, name: 'c' },
];
const masks = [mask(6, 7, 11), mask(0), mask(), mask(18, 19)];
const found = (proposal: number, classIndex: number, score: number) => ({ proposal, classIndex, score });
const images = [
  image(9, { classes: new Set([0]), detections: [found(3, 0, 0.31)], masks }),
  image(4, {
    classes: new Set([0, 2]),
    detections: [
      found(0, 0, 0.5),
      found(1, 0, 0.75),
      found(3, 0, 0.75),
      found(0, 1, 0.9),
      found(1, 2, 0.29),
      found(2, 2, 0.6),
      found(3, 2, 0.3),
    ],
    masks,
  }),
  image(5, { classes: new Set([1]), detections: [], masks: [] }),
];

const test = suite('label');

test('keeps confident detections of the image labels, in order', () => {
  const labels = pseudoLabels(images, categories);
  assert.equal(labels.categories, categories);
  assert.equal(
    labels.images.map(({ id }) => id),
    [4, 5, 9],
  );
  assert.equal(labels.images[0], {
    id: 4,
    file_name: '4.jpg',
    width,
    height,
    date_captured: '',
    license: 1,
    coco_url: '',
    flickr_url: '',
  });
  assert.equal(
    labels.annotations.map(({ id, image_id, category_id, score }) => [id, image_id, category_id, score]),
    [
      [1, 4, 11, 0.75],
      [2, 4, 11, 0.75],
      [3, 4, 11, 0.5],
      [4, 4, 7, 0.3],
      [5, 9, 11, 0.31],
    ],
  );
  // Of equal scores the later proposal comes first.
  assert.equal(labels.annotations[0].bbox, [3, 3, 2, 1]);
  assert.equal(labels.annotations[2], {
    id: 3,
    image_id: 4,
    category_id: 11,
    iscrowd: 0,
    area: 3,
    bbox: [1, 1, 2, 2],
    segmentation: { size: [height, width], counts: [5, 2, 2, 1, 10] },
    width,
    height,
    score: 0.5,
  });
  assert.equal(decodeRle(labels.annotations[2].segmentation), decodeRle(masks[0]));
});

test('only the best', () => {
  const labels = pseudoLabels(images, categories, { bestOnly: true });
  // The best of class 7 has an empty mask.
  assert.equal(
    labels.annotations.map(({ image_id, score }) => [image_id, score]),
    [
      [4, 0.75],
      [4, 0.75],
      [9, 0.31],
    ],
  );
  assert.is(pseudoLabels(images, categories, { bestOnly: true, scoreThreshold: 0.5 }).annotations.length, 2);
});

test('masks of another size are refused', () => {
  const wrong = image(1, {
    classes: new Set([0]),
    detections: [found(0, 0, 1)],
    masks: [encodeRle(new Uint8Array(6), 2, 3)],
  });
  assert.throws(
    () => pseudoLabels([wrong], categories),
    (error: Error) => error instanceof MaskError,
  );
});

test.run();
