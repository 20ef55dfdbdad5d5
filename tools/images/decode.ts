/** From an image file to pixels. */
import sharp from 'sharp';
import { reasonOf } from '../errors.ts';
import { readWhole } from '../formats/file-bytes.ts';
import { checkFormat, imageFailure, MAX_BYTES, MAX_PIXELS, tooManyPixels } from './accepted.ts';
import { type DecodedImage, type DecodeSize, resized } from './size.ts';

/**
 * Decodes a JPEG, PNG or WebP file: turned as its EXIF orientation says, transparency over white, grey and CMYK as RGB,
 * 16 bits a channel cut to 8, colour profiles passed over as OpenCV does. Resized to `size` where given.
 *
 * @throws ImageError naming the file when it is missing, truncated, damaged, too large or of another format.
 */
export async function decodeImage(path: string, size?: DecodeSize): Promise<DecodedImage> {
  const fail = imageFailure(path);
  const bytes = await readWhole(path, MAX_BYTES, (problem, cause) => fail(problem, 'Check the path.', cause));
  checkFormat(bytes, fail);
  try {
    const pixels = sharp(bytes, { failOn: 'error', limitInputPixels: MAX_PIXELS, ignoreIcc: true })
      .autoOrient()
      .flatten({ background: 'white' })
      .toColourspace('srgb')
      .raw();
    const { data, info } = await pixels.toBuffer({ resolveWithObject: true });
    const { width, height } = info;
    const image = { width, height, rgb: new Uint8Array(data.buffer, data.byteOffset, data.length) };
    return size ? resized(image, size) : { ...image, original: { width, height } };
  } catch (error) {
    if (reasonOf(error).includes('pixel limit')) tooManyPixels(fail, error);
    return fail(reasonOf(error), 'Copy it again or take it out of the data set.', error);
  }
}
