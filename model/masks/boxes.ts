import { REGION_SIZE } from '../region/mask-fuse.ts';

/** Boxes [N, 4] x1, y1, x2, y2 mirrored in an image of `width` pixels; x1 and x2 name pixels (flip_boxes). */
export function flipBoxes(boxes: ArrayLike<number>, width: number): Float32Array {
  // Loops here and below: a function for every element is several times slower.
  const flipped = Float32Array.from(boxes);
  for (let i = 0; i < flipped.length; i += 4) {
    flipped[i] = width - boxes[i + 2] - 1;
    flipped[i + 2] = width - boxes[i] - 1;
  }
  return flipped;
}

/** Boxes [N, 4] clipped to the pixels of the image, 0 … width − 1 and 0 … height − 1 (clip_boxes_to_image). */
export function clipBoxes(boxes: ArrayLike<number>, width: number, height: number): Float32Array {
  const clipped = new Float32Array(boxes.length);
  for (let i = 0; i < clipped.length; i++)
    clipped[i] = Math.min(Math.max(boxes[i], 0), (i % 2 === 0 ? width : height) - 1);
  return clipped;
}

/** Region masks [N, 7, 7] mirrored left to right. */
export function flipRegionMasks(masks: ArrayLike<number>): Float32Array {
  const flipped = new Float32Array(masks.length);
  for (let row = 0; row < flipped.length; row += REGION_SIZE) {
    for (let x = 0; x < REGION_SIZE; x++) flipped[row + x] = masks[row + REGION_SIZE - 1 - x];
  }
  return flipped;
}
