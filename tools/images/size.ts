/** The sizes at which images are worked on, wherever they were decoded. */
import type { RgbImage } from '@cim/model/image';
import { type Size, stretchImage } from '@cim/model/prm/resample';

/** In sRGB. */
export interface DecodedImage extends RgbImage {
  /** Size in the file, after EXIF orientation; other than `width` and `height` where the image was resized. */
  readonly original: Size;
}

/** `inside`: scaled down, keeping its aspect, until both sides fit; never enlarged. `fill`: exactly this size. */
export interface DecodeSize extends Size {
  readonly fit: 'inside' | 'fill';
}

/** Longer sides above `size` are scaled down to it. */
export const insideSize = (size: number): DecodeSize => ({ width: size, height: size, fit: 'inside' });

/** What an image of a size becomes. */
export function sizeIn(image: Size, { width, height, fit }: DecodeSize): Size {
  if (fit === 'fill') return { width, height };
  const scale = Math.min(1, width / image.width, height / image.height);
  const side = (length: number): number => Math.max(1, Math.round(length * scale));
  return { width: side(image.width), height: side(image.height) };
}

/** The image at a size: Pillow's bilinear resizing with antialiasing, pixel for pixel, as published classifiers know it. */
export const resized = (image: RgbImage, size: DecodeSize): DecodedImage => ({
  ...stretchImage(image, sizeIn(image, size)),
  original: { width: image.width, height: image.height },
});
