/** From an image file to pixels, in a browser: the pixels that tools/images/decode.ts gives for the same PNG. */
import { imageSize } from 'image-size';
import { reasonOf } from '../../errors.ts';
import {
  checkFormat,
  type ImageFail,
  imageFailure,
  MAX_BYTES,
  MAX_PIXELS,
  tooManyPixels,
} from '../../images/accepted.ts';
import { type DecodedImage, type DecodeSize, resized } from '../../images/size.ts';

/** Pixels taken from the decoder at a time: 16 MiB. */
const STRIP = 2 ** 22;

const damage =
  (fail: ImageFail) =>
  (error: unknown): never =>
    fail(reasonOf(error), 'Copy it again, or take another image.', error);

/**
 * Looks at a file's header.
 *
 * @throws ImageError naming the file when it is empty, too large or of another format than JPEG, PNG and WebP.
 */
export async function checkBlob(blob: Blob, name: string): Promise<void> {
  const fail = imageFailure(name);
  if (blob.size > MAX_BYTES) fail(`it has ${blob.size} bytes; at most ${MAX_BYTES} can be read`, 'Scale it down.');
  const bytes = new Uint8Array(await blob.arrayBuffer());
  checkFormat(bytes, fail);
  if (pixelCount(bytes, damage(fail)) > MAX_PIXELS) tooManyPixels(fail);
}

/**
 * Decodes a file that {@link checkBlob} has let through: turned as its EXIF orientation says, transparency over white,
 * colour profiles passed over. Resized to `size`.
 *
 * @throws ImageError naming the file when it is damaged.
 */
export async function decodeBlob(blob: Blob, name: string, size: DecodeSize): Promise<DecodedImage> {
  const options = { colorSpaceConversion: 'none', imageOrientation: 'from-image' } as const;
  const bitmap = await createImageBitmap(blob, options).catch(damage(imageFailure(name)));
  try {
    return resized({ width: bitmap.width, height: bitmap.height, rgb: pixelsOf(bitmap) }, size);
  } finally {
    bitmap.close();
  }
}

/** As the file's header says: nothing is decoded yet. */
function pixelCount(bytes: Uint8Array, damaged: (error: unknown) => never): number {
  try {
    const { width, height } = imageSize(bytes);
    return width * height;
  } catch (error) {
    return damaged(error);
  }
}

/** A strip at a time, since a canvas cannot be as large as an image can. */
function pixelsOf(bitmap: ImageBitmap): Uint8Array {
  const { width, height } = bitmap;
  const rows = Math.max(1, Math.floor(STRIP / width));
  const canvas = new OffscreenCanvas(width, Math.min(rows, height));
  const context = canvas.getContext('2d', { willReadFrequently: true, colorSpace: 'srgb' })!;
  const rgb = new Uint8Array(width * height * 3);
  for (let top = 0, at = 0; top < height; top += rows) {
    const count = Math.min(rows, height - top);
    context.fillStyle = 'white';
    context.fillRect(0, 0, width, count);
    context.drawImage(bitmap, 0, -top);
    const { data } = context.getImageData(0, 0, width, count);
    for (let i = 0; i < data.length; i += 4, at += 3) {
      rgb[at] = data[i];
      rgb[at + 1] = data[i + 1];
      rgb[at + 2] = data[i + 2];
    }
  }
  return rgb;
}
