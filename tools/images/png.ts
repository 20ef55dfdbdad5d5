/** Pixels to a PNG file's bytes. */
import type { RgbImage } from '@cim/model/image';
import { PNG } from 'pngjs';

/** The bytes of a PNG file; the same pixels always give the same bytes. */
export function encodePng({ width, height, rgb }: RgbImage): Buffer {
  const png = new PNG({ width, height, colorType: 2, inputColorType: 2, inputHasAlpha: false });
  png.data = Buffer.from(rgb.buffer, rgb.byteOffset, rgb.byteLength);
  return PNG.sync.write(png, { colorType: 2, inputColorType: 2, inputHasAlpha: false });
}
