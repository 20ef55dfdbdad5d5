import * as reference from '@cim/kernels/image/image.reference';
import { functional as F } from '@cim/runtime';
import { expectClose, randomArray, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('image preparation');
const device = await testDevice();
const MEAN = [0.485, 0.456, 0.406] as const;
const STD = [0.229, 0.224, 0.225] as const;
const NORMALISATION = { mean: MEAN, std: STD };

const randomBytes = (n: number): Uint8Array => Uint8Array.from(randomArray([n], 1, 0, 256));

/** The same image with the pixels of every row in reverse order. */
function mirrored(rgb: Uint8Array, width: number): Uint8Array {
  return rgb.map((_, i) => {
    const pixel = Math.floor(i / 3);
    const row = Math.floor(pixel / width);
    return rgb[(row * width + width - 1 - (pixel % width)) * 3 + (i % 3)];
  });
}

test('a flipped image is prepared as the mirrored one', async () => {
  const [height, width] = [9, 14];
  const rgb = randomBytes(height * width * 3);
  const options = { height, width, targetSize: 23, ...NORMALISATION };
  const flipped = await F.prepareImage(device, rgb, { ...options, flip: true }).read();
  assert.equal(flipped, await F.prepareImage(device, mirrored(rgb, width), { ...options, flip: false }).read());
});

const NEUTRAL = { scale: 1, shiftX: 0, shiftY: 0, brightness: 1, offset: 0, channels: [1, 1, 1] } as const;
for (const [height, width] of [
  [1, 1],
  [5, 7],
  [31, 18],
]) {
  const rgb = randomBytes(height * width * 3);
  for (const flip of [false, true]) {
    for (const augmentation of [
      NEUTRAL,
      { scale: 0.8, shiftX: 0.075, shiftY: -0.05, brightness: 1.25, offset: 0.06, channels: [0.93, 1, 1.07] },
      { scale: 1.2, shiftX: -0.075, shiftY: 0.075, brightness: 0.75, offset: -0.06, channels: [1.07, 1, 0.93] },
      { scale: 0.3, shiftX: 0.4, shiftY: 0, brightness: 1, offset: 0, channels: [1, 1, 1] },
    ] as const) {
      test(`augmentation of ${height}×${width} by ${augmentation.scale}, flip ${flip}`, async () => {
        const options = { height, width, flip, ...augmentation, ...NORMALISATION };
        const y = await F.augmentImage(device, rgb, options).read();
        expectClose(y, reference.augmentImage(rgb, options), { absolute: 1e-3 });
      });
    }
  }
}

test('a neutral augmentation is the prepared image', async () => {
  const [height, width] = [9, 14];
  const rgb = randomBytes(height * width * 3);
  const options = { height, width, flip: true, ...NORMALISATION };
  const prepared = await F.prepareImage(device, rgb, { ...options, targetSize: 14 }).read();
  expectClose(await F.augmentImage(device, rgb, { ...options, ...NEUTRAL }).read(), prepared);
});

test('the wrong number of bytes is refused', () => {
  const options = { height: 2, width: 2, flip: false, targetSize: 4, ...NORMALISATION };
  assert.throws(() => F.prepareImage(device, new Uint8Array(11), options), /2×2 has 12 bytes; got 11/);
});

test.run();
