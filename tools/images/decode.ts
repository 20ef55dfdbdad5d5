/** From an image file to pixels. */
import type { RgbImage } from '@cim/model/image';
import { stretchImage } from '@cim/model/prm/resample';
import sharp from 'sharp';
import { ImageError, reasonOf } from '../errors.ts';
import { readWhole } from '../formats/file-bytes.ts';

/** In sRGB. */
export interface DecodedImage extends RgbImage {
  /** Size in the file, after EXIF orientation; other than `width` and `height` where the image was resized. */
  readonly original: { readonly width: number; readonly height: number };
}

/**
 * `inside`: scaled down, keeping its aspect, until both sides fit; never enlarged. `fill`: exactly this size, whatever
 * the aspect. `stretch`: the same with the very pixels of Pillow's bilinear resizing, as published classifiers know them.
 */
export interface DecodeSize {
  readonly width: number;
  readonly height: number;
  readonly fit: 'inside' | 'fill' | 'stretch';
}

/** First bytes: other formats, some of which are programs (SVG), never reach a decoder. */
const FORMATS = [/^\xff\xd8\xff/, /^\x89PNG\r\n/, /^RIFF.{4}WEBP/s];
const MAX_BYTES = 2 ** 28;
/** 10 000 × 10 000: 300 MB of pixels. Larger ones are refused before they are decoded. */
const MAX_PIXELS = 1e8;

/**
 * Decodes a JPEG, PNG or WebP file: turned as its EXIF orientation says, transparency over white, grey and CMYK as RGB,
 * 16 bits a channel cut to 8, colour profiles passed over as OpenCV does. Resized to `size` where given.
 *
 * @throws ImageError naming the file when it is missing, truncated, damaged, too large or of another format.
 */
export async function decodeImage(path: string, size?: DecodeSize): Promise<DecodedImage> {
  const fail = (problem: string, remedy: string, cause?: unknown): never => {
    throw new ImageError(`Cannot decode ${path}: ${problem}.`, remedy, { cause });
  };
  const bytes = await readWhole(path, MAX_BYTES, (problem, cause) => fail(problem, 'Check the path.', cause));
  if (bytes.length === 0) fail('the file is empty', 'Copy it again or take it out of the data set.');
  const begin = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 12)).toString('latin1');
  if (!FORMATS.some((format) => format.test(begin))) {
    fail(`it begins with ${JSON.stringify(begin)}`, 'Convert it to JPEG, PNG or WebP.');
  }
  try {
    const input = sharp(bytes, { failOn: 'error', limitInputPixels: MAX_PIXELS, ignoreIcc: true });
    const { autoOrient } = await input.metadata();
    let pixels = input.autoOrient().flatten({ background: 'white' }).toColourspace('srgb').raw();
    if (size && size.fit !== 'stretch') {
      pixels = pixels.resize({ ...size, fit: size.fit, withoutEnlargement: size.fit === 'inside' });
    }
    const { data, info } = await pixels.toBuffer({ resolveWithObject: true });
    const rgb = new Uint8Array(data.buffer, data.byteOffset, data.length);
    const image = { width: info.width, height: info.height, rgb };
    return { ...(size?.fit === 'stretch' ? stretchImage(image, size) : image), original: autoOrient };
  } catch (error) {
    if (error instanceof ImageError) throw error;
    const limit = reasonOf(error).includes('pixel limit');
    return limit
      ? fail(`it has more than ${MAX_PIXELS} pixels`, 'Scale it down.', error)
      : fail(reasonOf(error), 'Copy it again or take it out of the data set.', error);
  }
}
