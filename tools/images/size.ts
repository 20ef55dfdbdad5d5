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

/** The image at a size: Pillow's bilinear resizing with antialiasing, pixel for pixel, as published classifiers know it. */
export function resized(image: RgbImage, { width, height, fit }: DecodeSize): DecodedImage {
  const original = { width: image.width, height: image.height };
  const scale = Math.min(1, width / image.width, height / image.height);
  const side = (length: number): number => Math.max(1, Math.round(length * scale));
  const size = fit === 'fill' ? { width, height } : { width: side(image.width), height: side(image.height) };
  return { ...stretchImage(image, size), original };
}
