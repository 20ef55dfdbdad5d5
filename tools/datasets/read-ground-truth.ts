/** An annotation file for evaluation, without its images. */
import { basename, dirname, extname, resolve } from 'node:path';
import type { CocoJson } from '@cim/model/evaluate/coco-json';
import { DataError } from '../errors.ts';
import { readCoco } from './coco.ts';
import type { ObjectAnnotation } from './dataset.ts';
import { groundTruth } from './ground-truth.ts';
import { isRle, maskProblem } from './masks.ts';

const REMEDY =
  'A "segmentation" is a list of polygons [x0, y0, x1, y1, x2, y2, …] or {size: [height, width], counts}; ' +
  '"iscrowd" is 0 or 1.';

function isObject({ id, iscrowd, segmentation }: ObjectAnnotation): boolean {
  return (
    (id === undefined || Number.isSafeInteger(id)) &&
    (iscrowd === undefined || iscrowd === 0 || iscrowd === 1) &&
    (segmentation === undefined || isRle(segmentation) || isPolygons(segmentation))
  );
}

const isPolygons = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.every(
    (polygon) =>
      Array.isArray(polygon) && polygon.length >= 6 && polygon.length % 2 === 0 && polygon.every(Number.isFinite),
  );

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
      if (!isObject(annotation)) fail((await import('./explain.ts')).explainObject(annotation, `${name},`));
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
