/** An annotation file for evaluation, without its images. */
import { basename, dirname, extname, resolve } from 'node:path';
import type { CocoJson } from '@cim/model/evaluate/coco-json';
import { z } from 'zod';
import { DataError } from '../errors.ts';
import { describeIssue } from '../formats/json.ts';
import { readCoco } from './coco.ts';
import { groundTruth } from './ground-truth.ts';
import { maskProblem, rleSchema } from './masks.ts';

const REMEDY =
  'A "segmentation" is a list of polygons [x0, y0, x1, y1, x2, y2, …] or {size: [height, width], counts}; ' +
  '"iscrowd" is 0 or 1.';

const polygon = z
  .array(z.number())
  .min(6)
  .refine(({ length }) => length % 2 === 0, 'a coordinate lacks its partner');
const objectSchema = z.object({
  id: z.int().optional(),
  iscrowd: z.literal([0, 1]).optional(),
  segmentation: z.union([z.array(polygon), rleSchema]).optional(),
});

/**
 * Reads the objects of a COCO file (`.json` or `.json.gz`) with their masks.
 *
 * @param type for boxes, objects that have a box and an area need no mask.
 * @throws DataError that quotes the file, and the annotation and value at fault.
 */
export async function readGroundTruth(file: string, type: 'segm' | 'bbox' = 'segm'): Promise<CocoJson> {
  const { classes, images } = await readCoco(file);
  const fail = (problem: string): never => {
    throw new DataError(`${file} cannot be evaluated: ${problem}.`, REMEDY);
  };
  for (const image of images) {
    for (const [i, annotation] of image.annotations.entries()) {
      const name = `annotation ${annotation.id ?? i} of image ${image.id}`;
      const { error } = objectSchema.safeParse(annotation);
      if (error) fail(describeIssue(error, annotation, `${name},`));
      const { segmentation } = annotation;
      if (segmentation === undefined || !('counts' in segmentation)) continue;
      const problem = maskProblem(segmentation, image);
      if (problem) fail(`${name}: ${problem}`);
    }
  }
  const [name, root] = [basename(file, extname(file)), dirname(resolve(file))];
  const listed = images.map((image) => ({ ...image, file: image.fileName }));
  return groundTruth({ name, root, classes, images: listed }, type);
}
