/** Encoded masks as they stand in files. */
import { parseRle, type Rle, type UncompressedRle } from '@cim/model/evaluate/rle';
import { ReportedError } from '@cim/runtime/errors';
import { z } from 'zod';

const length = z.int().positive();
const size = z.tuple([length, length]);

/** A mask in either encoding. */
export const rleSchema: z.ZodType<Rle | UncompressedRle> = z.object({
  size,
  counts: z.union([z.string(), z.array(z.int().nonnegative())]),
}) as z.ZodType<Rle | UncompressedRle>; // the same, with the choice inside

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
    parseRle(mask);
  } catch (error) {
    if (error instanceof ReportedError) return error.message.replace(/\.$/, '');
    throw error;
  }
}
