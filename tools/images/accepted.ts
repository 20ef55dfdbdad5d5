/** Which image files are decoded, here and in browsers. */
import { ImageError } from '../errors.ts';

/** First bytes: other formats, some of which are programs (SVG), never reach a decoder. */
const FORMATS = [/^\xff\xd8\xff/, /^\x89PNG\r\n/, /^RIFF.{4}WEBP/s];
/** Bytes of a file. */
export const MAX_BYTES = 2 ** 28;
/** 10 000 × 10 000: 300 MB of pixels. Larger ones are refused before they are decoded. */
export const MAX_PIXELS = 1e8;

/** Reports an image that cannot be decoded; `problem` is the middle of a sentence. */
export type ImageFail = (problem: string, remedy: string, cause?: unknown) => never;

/** @param name of the file, in the message. */
export const imageFailure =
  (name: string): ImageFail =>
  (problem, remedy, cause) => {
    throw new ImageError(`Cannot decode ${name}: ${problem}.`, remedy, { cause });
  };

export const tooManyPixels = (fail: ImageFail, cause?: unknown): never =>
  fail(`it has more than ${MAX_PIXELS} pixels`, 'Scale it down.', cause);

/** @param bytes a file, or its beginning. */
export function checkFormat(bytes: Uint8Array, fail: ImageFail): void {
  if (bytes.length === 0) fail('the file is empty', 'Copy it again or take another image.');
  const begin = String.fromCharCode(...bytes.subarray(0, 12));
  if (!FORMATS.some((format) => format.test(begin))) {
    fail(`it begins with ${JSON.stringify(begin)}`, 'Convert it to JPEG, PNG or WebP.');
  }
}
