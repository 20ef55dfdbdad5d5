/** Masks and boxes at another size: nearest pixels. */

import type { Size } from '../prm/resample.ts';

/** For each pixel along the target the source pixel that its centre falls into. */
function nearestPixels(from: number, to: number): Uint32Array {
  const pixels = new Uint32Array(to);
  for (let i = 0; i < to; i++) pixels[i] = Math.floor(((i + 0.5) * from) / to);
  return pixels;
}

/** A mask of bytes, row-major, at another size; the very array when the sizes are equal. */
export function scaledMask(mask: Uint8Array, from: Size, to: Size): Uint8Array {
  if (from.width === to.width && from.height === to.height) return mask;
  const columns = nearestPixels(from.width, to.width);
  const rows = nearestPixels(from.height, to.height);
  const scaled = new Uint8Array(to.width * to.height);
  for (let y = 0, i = 0; y < to.height; y++) {
    const row = rows[y] * from.width;
    for (let x = 0; x < to.width; x++, i++) scaled[i] = mask[row + columns[x]];
  }
  return scaled;
}

/**
 * The boxes [N, 4] that {@link scaledMask} gives masks whose tight boxes, with exclusive ends, are `boxes`: a pixel is inside
 * when its centre is.
 */
export const scaledBoxes = (boxes: Float32Array, from: Size, to: Size): Float32Array =>
  boxes.map((value, i) => {
    const [source, target] = i % 2 === 0 ? [from.width, to.width] : [from.height, to.height];
    return Math.ceil((value * target) / source - 0.5);
  });
