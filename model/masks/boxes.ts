import { REGION_SIZE } from '../region/mask-fuse.ts';

/** Boxes [N, 4] x1, y1, x2, y2 mirrored in an image of `width` pixels; x1 and x2 name pixels (flip_boxes). */
export const flipBoxes = (boxes: ArrayLike<number>, width: number): Float32Array =>
  Float32Array.from(boxes, (value, i) => {
    if (i % 4 === 0) return width - boxes[i + 2] - 1;
    if (i % 4 === 2) return width - boxes[i - 2] - 1;
    return value;
  });

/** Boxes [N, 4] clipped to the pixels of the image, 0 … width − 1 and 0 … height − 1 (clip_boxes_to_image). */
export const clipBoxes = (boxes: ArrayLike<number>, width: number, height: number): Float32Array =>
  Float32Array.from(boxes, (value, i) => Math.min(Math.max(value, 0), (i % 2 === 0 ? width : height) - 1));

/** Region masks [N, 7, 7] mirrored left to right. */
export const flipRegionMasks = (masks: ArrayLike<number>): Float32Array =>
  Float32Array.from(masks, (_, i) => masks[i - 2 * (i % REGION_SIZE) + REGION_SIZE - 1]);
