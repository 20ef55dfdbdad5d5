import * as reference from '@cim/kernels/mask/mask.reference';
import * as masks from '@cim/model/masks/index';
import { ShapeError } from '@cim/runtime';
import { expectClose, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { golden } from '../golden.ts';

const test = suite('masks');
const device = await testDevice();

for (const name of ['mask_7x7_sizes', 'mask_ops_voc', 'mask_ops_coco']) {
  test(`boxes and 7×7 crops equal the original's: ${name}`, () => {
    const file = golden(name);
    const { data, shape } = file.tensor('in.masks', 'U8');
    const [n, height, width] = shape;
    const boxes: number[] = [];
    const crops: number[] = [];
    for (let i = 0; i < n; i++) {
      const mask = data.subarray(i * width * height, (i + 1) * width * height);
      const box = masks.maskBox(mask, width, height)!;
      boxes.push(...box);
      crops.push(...masks.cropMask(mask, width, box));
    }
    assert.equal(boxes, [...file.tensor('out.boxes', 'I32').data]);
    assert.equal(crops, [...file.tensor('out.masks_7x7', 'U8').data]);
  });
}

test('an empty mask has no box', () => assert.is(masks.maskBox(new Uint8Array(12), 4, 3), null));

test('area crops keep the covered area', () => {
  const [width, height] = [33, 20];
  const mask = Uint8Array.from({ length: width * height }, (_, p) => ((p * 7919) % 11 < 4 ? 1 : 0));
  for (const [w, h] of [[1, 1], [2, 3], [7, 14], [13, 9], [30, 17]]) {
    const box = [2, 1, 2 + w, 1 + h] as const;
    let covered = 0;
    for (let y = 1; y < 1 + h; y++) for (let x = 2; x < 2 + w; x++) covered += mask[y * width + x];
    const cells = masks.cropMaskArea(mask, width, box);
    expectClose([cells.reduce((sum, cell) => sum + cell, 0) / 49], [covered / (w * h)]);
    assert.ok(cells.every((cell) => cell >= 0 && cell <= 1.000001));
  }
  // Cells of whole pixels are their means: 14 columns make 2 a cell, 7 rows make 1.
  const cells = masks.cropMaskArea(mask, width, [3, 5, 17, 12]);
  const at = (y: number, x: number) => mask[(5 + y) * width + 3 + x];
  expectClose(cells, Array.from({ length: 49 }, (_, i) => (at(Math.floor(i / 7), 2 * (i % 7)) + at(Math.floor(i / 7), 2 * (i % 7) + 1)) / 2));
});

test('boxes are mirrored and clipped as the original does', () => {
  const file = golden('boxes_flip_clip');
  const boxes = file.tensor('in.boxes').data;
  const { flip_width, clip_width, clip_height } = file.options;
  assert.equal(masks.flipBoxes(boxes, flip_width), file.tensor('out.flip').data);
  assert.equal(masks.clipBoxes(boxes, clip_width, clip_height), file.tensor('out.clip').data);
});

test('region masks are mirrored row by row', () => {
  const flipped = masks.flipRegionMasks(Float32Array.from({ length: 98 }, (_, i) => i));
  assert.equal([...flipped.subarray(0, 8)], [6, 5, 4, 3, 2, 1, 0, 13]);
  assert.equal([...flipped.subarray(91)], [97, 96, 95, 94, 93, 92, 91]);
});

const { data, shape } = golden('mask_ops_voc').tensor('in.masks', 'U8');
const [n, height, width] = shape;

test('packing on the host and on the device agree, and unpacking undoes it', async () => {
  const packed = masks.packMasks(data, n, width, height);
  assert.equal(packed.words, reference.packMasks(data, n, width * height));
  const onDevice = masks.packMasksOnDevice(device, data, n, width, height);
  assert.equal(await onDevice.read(), packed.words);
  onDevice.dispose();
  assert.equal(masks.unpackMask(packed, 3), data.slice(3 * width * height, 4 * width * height));
  assert.throws(() => masks.packMasks(data, n + 1, width, height), (error: Error) => error instanceof ShapeError);
});

test('overlaps equal the original, and evaluation gets quotients that are not rounded', async () => {
  const packed = masks.packMasks(data, n, width, height);
  const uploaded = masks.uploadMasks(device, packed);
  const { iou, containment } = masks.maskOverlaps(device, uploaded);
  assert.equal(await iou.read(), golden('mask_ops_voc').tensor('out.iou_map').data);
  assert.equal(await containment.read(), golden('mask_ops_voc').tensor('out.asy_iou_map').data);
  for (const tensor of [uploaded, iou, containment]) tensor.dispose();

  const some = masks.packMasks(data.subarray(0, 5 * width * height), 5, width, height);
  const ratios = await masks.pairwiseIou(device, packed, some);
  const counts = reference.pairwiseIntersection(data, data.subarray(0, 5 * width * height), width * height);
  const areas = masks.maskAreas(packed);
  const expected = Float64Array.from(counts, (count, i) => count / (areas[Math.floor(i / 5)] + areas[i % 5] - count));
  assert.equal(ratios, expected);
  assert.is(counts[0], areas[0]);
  await assertRejects(masks.pairwiseIou(device, packed, { ...some, width: width + 1 }));
});

async function assertRejects(promise: Promise<unknown>): Promise<void> {
  const error = await promise.then(() => undefined, (reason) => reason);
  assert.instance(error, ShapeError);
}

test.run();
