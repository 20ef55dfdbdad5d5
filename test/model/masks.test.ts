import * as reference from '@cim/kernels/mask/mask.reference';
import * as masks from '@cim/model/masks/index';
import { ShapeError } from '@cim/runtime';
import { expectClose, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { golden } from '../golden.ts';

const test = suite('masks');
const device = await testDevice();

test('an empty mask has no box', () => assert.is(masks.maskBox(new Uint8Array(12), 4, 3), null));

test('boxes and crops of packed masks are those of their bytes', () => {
  for (const [width, height, count] of [
    [70, 9, 6],
    [5, 40, 6],
    [1, 33, 3],
    [33, 1, 3],
    [64, 3, 4],
  ]) {
    const bytes = new Uint8Array(count * width * height).map((_, p) => ((p * 2654435761) % 97 < 3 ? 1 : 0));
    const packed = masks.packMasks(bytes, count, width, height);
    for (let n = 0; n < count; n++) {
      const mask = bytes.subarray(n * width * height, (n + 1) * width * height);
      const box = masks.maskBox(mask, width, height);
      assert.equal(masks.packedMaskBox(packed, n), box);
      if (box) assert.equal(masks.cropPackedMask(packed, n, box), masks.cropMask(mask, width, box));
    }
  }
});

test('area crops keep the covered area', () => {
  const [width, height] = [33, 20];
  const mask = Uint8Array.from({ length: width * height }, (_, p) => ((p * 7919) % 11 < 4 ? 1 : 0));
  const packed = masks.packMasks(Uint8Array.from([...new Uint8Array(mask.length).fill(1), ...mask]), 2, width, height);
  for (const [w, h] of [
    [1, 1],
    [2, 3],
    [7, 14],
    [13, 9],
    [30, 17],
  ]) {
    const box = [2, 1, 2 + w, 1 + h] as const;
    let covered = 0;
    for (let y = 1; y < 1 + h; y++) for (let x = 2; x < 2 + w; x++) covered += mask[y * width + x];
    const cells = masks.cropPackedMaskArea(packed, 1, box);
    expectClose([cells.reduce((sum, cell) => sum + cell, 0) / 49], [covered / (w * h)]);
    assert.ok(cells.every((cell) => cell >= 0 && cell <= 1.000001));
  }
  // Cells of whole pixels are their means: 14 columns make 2 a cell, 7 rows make 1.
  const cells = masks.cropPackedMaskArea(packed, 1, [3, 5, 17, 12]);
  const at = (y: number, x: number) => mask[(5 + y) * width + 3 + x];
  expectClose(
    cells,
    Array.from(
      { length: 49 },
      (_, i) => (at(Math.floor(i / 7), 2 * (i % 7)) + at(Math.floor(i / 7), 2 * (i % 7) + 1)) / 2,
    ),
  );
});

test('region masks are mirrored row by row', () => {
  const flipped = masks.flipRegionMasks(Float32Array.from({ length: 98 }, (_, i) => i));
  assert.equal([...flipped.subarray(0, 8)], [6, 5, 4, 3, 2, 1, 0, 13]);
  assert.equal([...flipped.subarray(91)], [97, 96, 95, 94, 93, 92, 91]);
});

const file = await golden('mask_ops_voc');
const data = file.bytes('in.masks');
const [n, height, width] = file.shape('in.masks');

test('packing on the host and on the device agree, and unpacking undoes it', async () => {
  const packed = masks.packMasks(data, n, width, height);
  assert.equal(packed.words, reference.packMasks(data, n, width * height));
  const onDevice = masks.packMasksOnDevice(device, data, n, width, height);
  assert.equal(await onDevice.read(), packed.words);
  onDevice.dispose();
  assert.equal(masks.unpackMask(packed, 3), data.slice(3 * width * height, 4 * width * height));
  assert.throws(
    () => masks.packMasks(data, n + 1, width, height),
    (error: Error) => error instanceof ShapeError,
  );
});

test('evaluation gets quotients that are not rounded', async () => {
  const packed = masks.packMasks(data, n, width, height);
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
  const error = await promise.then(
    () => undefined,
    (reason) => reason,
  );
  assert.instance(error, ShapeError);
}

test.run();
