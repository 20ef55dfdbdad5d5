import { packMasks as packKernel } from '@cim/kernels';
import { type Device, ShapeError, type Tensor } from '@cim/runtime';

/**
 * Binary masks of one image, a bit a pixel. Mask n is the `wordsPerMask` words from n·wordsPerMask on: row-major pixel
 * p is bit p mod 32 of word ⌊p/32⌋, and the bits behind the last pixel are 0.
 */
export interface PackedMasks {
  /** [count, ⌈width·height/32⌉]. */
  readonly words: Uint32Array;
  /** Masks. */
  readonly count: number;
  /** Columns of the image. */
  readonly width: number;
  /** Rows of the image. */
  readonly height: number;
}

/** u32 words of a mask of this size. */
export const wordsPerMask = ({ width, height }: { readonly width: number; readonly height: number }): number =>
  Math.ceil((width * height) / 32);

/**
 * Packs `count` masks [count, height, width] of bytes; every byte but 0 is inside.
 *
 * @throws ShapeError when there are not `count` masks of bytes.
 */
export function packMasks(bytes: ArrayLike<number>, count: number, width: number, height: number): PackedMasks {
  const pixels = width * height;
  requireBytes(bytes, count, pixels);
  const words = new Uint32Array(count * Math.ceil(pixels / 32));
  for (let mask = 0, i = 0; mask < count; mask++) {
    const end = (mask + 1) * pixels;
    for (let first = mask * pixels; first < end; first += 32, i++) {
      let word = 0;
      for (let p = first; p < Math.min(first + 32, end); p++) word |= (bytes[p] === 0 ? 0 : 1) << (p - first);
      words[i] = word;
    }
  }
  return { words, count, width, height };
}

/**
 * Packs `count` masks of bytes 0 and 1 on the GPU: u32 [count, ⌈width·height/32⌉]. Uploads a byte a pixel.
 *
 * @throws ShapeError when there are not `count` masks of bytes.
 */
export function packMasksOnDevice(
  device: Device,
  bytes: Uint8Array,
  count: number,
  width: number,
  height: number,
): Tensor {
  const pixels = width * height;
  requireBytes(bytes, count, pixels);
  const whole = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  whole.set(bytes);
  const source = device.tensor(new Uint32Array(whole.buffer));
  const packed = device.empty([count, Math.ceil(pixels / 32)], 'u32');
  device.run(packKernel({ n: count, pixels }), { bytes: source, packed });
  source.dispose();
  return packed;
}

function requireBytes(bytes: ArrayLike<number>, count: number, pixels: number): void {
  if (bytes.length !== count * pixels) {
    throw new ShapeError(`${count} masks of ${pixels} pixels need ${count * pixels} bytes; got ${bytes.length}.`);
  }
}

/** Mask `index` as bytes 0 and 1, [height, width]. */
export function unpackMask({ words, width, height }: PackedMasks, index: number): Uint8Array {
  const mask = new Uint8Array(width * height);
  const first = index * wordsPerMask({ width, height });
  for (let p = 0; p < mask.length; p++) mask[p] = (words[first + (p >>> 5)] >>> (p & 31)) & 1;
  return mask;
}

/** u32 [count, wordsPerMask] on the device. */
export const uploadMasks = (device: Device, masks: PackedMasks): Tensor =>
  device.tensor(masks.words, [masks.count, wordsPerMask(masks)]);

/** Pixels of each mask. */
export function maskAreas(masks: PackedMasks): Uint32Array {
  const stride = wordsPerMask(masks);
  const areas = new Uint32Array(masks.count);
  for (let mask = 0, i = 0; mask < masks.count; mask++) {
    for (const end = i + stride; i < end; i++) areas[mask] += countOneBits(masks.words[i]);
  }
  return areas;
}

/** The number of 1 bits of a 32 bit word. */
export function countOneBits(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
