/** Plain f64 reference of the augmentation; the original's own results test the resize. */
import type { Augmentation, ImageShape, Normalisation } from './image.ts';

/** Position from the first cell's centre, mirrored at the image's edges until it is inside, then at a cell's centre. */
function reflect(position: number, size: number): number {
  while (position < -0.5 || position > size - 0.5) position = position < 0 ? -1 - position : 2 * size - 1 - position;
  return Math.min(Math.max(position, 0), size - 1);
}

/** y [1, 3, H, W] from bytes [H, W, 3]. */
export function augmentImage(rgb: Uint8Array, options: ImageShape & Augmentation & Normalisation): Float64Array {
  const { height, width, flip, scale, shiftX, shiftY, brightness, offset, channels, mean, std } = options;
  const y = new Float64Array(3 * height * width);
  const source = (d: number, size: number, shift: number): number =>
    reflect((d - (size - 1) / 2 - shift * size) / scale + (size - 1) / 2, size);
  const pixel = (row: number, column: number, c: number): number =>
    rgb[
      (Math.min(row, height - 1) * width +
        (flip ? width - 1 - Math.min(column, width - 1) : Math.min(column, width - 1))) *
        3 +
        c
    ];
  for (let i = 0; i < height * width; i++) {
    const sy = source(Math.floor(i / width), height, shiftY);
    const sx = source(i % width, width, shiftX);
    const [top, left] = [Math.floor(sy), Math.floor(sx)];
    const [fy, fx] = [sy - top, sx - left];
    for (let c = 0; c < 3; c++) {
      const above = pixel(top, left, c) * (1 - fx) + pixel(top, left + 1, c) * fx;
      const below = pixel(top + 1, left, c) * (1 - fx) + pixel(top + 1, left + 1, c) * fx;
      const value = ((above * (1 - fy) + below * fy) / 255) * brightness * channels[c] + offset;
      y[c * height * width + i] = (Math.min(Math.max(value, 0), 1) - mean[c]) / std[c];
    }
  }
  return y;
}
