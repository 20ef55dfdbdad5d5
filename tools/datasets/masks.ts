/** Encoded masks as they stand in files. */
import { type Rle, rleArea, type UncompressedRle } from '@cim/model/evaluate/rle';
import { ReportedError } from '@cim/runtime/errors';
import { isRecord } from '../formats/json.ts';

/** Whether a value has the form of a mask in either encoding; whether the encoding is sound `maskProblem` tells. */
export function isRle(value: unknown): value is Rle | UncompressedRle {
  if (!isRecord(value)) return false;
  const { size, counts } = value;
  if (!Array.isArray(size) || size.length !== 2 || !size.every((side) => Number.isSafeInteger(side) && side > 0)) {
    return false;
  }
  if (typeof counts === 'string') return true;
  return Array.isArray(counts) && counts.every((count) => Number.isSafeInteger(count) && count >= 0);
}

/** What is wrong with the mask of an image, as the middle of a sentence; undefined when it is whole and of its size. */
export function maskProblem(
  mask: Rle | UncompressedRle,
  image: { readonly id: number; readonly width?: number; readonly height?: number },
): string | undefined {
  const [height, width] = mask.size;
  if (height !== (image.height ?? height) || width !== (image.width ?? width)) {
    return `its mask is ${height} × ${width} pixels, image ${image.id} is ${image.height} × ${image.width}`;
  }
  try {
    rleArea(mask);
  } catch (error) {
    if (error instanceof ReportedError) return error.message.replace(/\.$/, '');
    throw error;
  }
}
