/** The annotations of a data set in the form that evaluation takes. */
import { type CocoAnnotation, type CocoJson, segmentationRuns } from '@cim/model/evaluate/coco-json';
import { runsArea, runsBox } from '@cim/model/evaluate/rle';
import { DataError, reasonOf } from '../errors.ts';
import type { Dataset, DatasetImage, ObjectAnnotation } from './dataset.ts';

/**
 * Every object with its mask. Ids, areas and boxes that the file does not give are made from the order and the masks.
 *
 * @param type for boxes, objects that have a box and an area need no mask.
 * @throws DataError when an image has no size, or an annotation no mask or a broken one.
 */
export function groundTruth({ name, root, classes, images }: Dataset, type: 'segm' | 'bbox' = 'segm'): CocoJson {
  const remedy = 'Evaluation needs the size of every image and a segmentation of every object.';
  const fail = (problem: string, cause?: unknown): never => {
    throw new DataError(`"${name}" in ${root} cannot be evaluated: ${problem}.`, remedy, { cause });
  };
  let nextId = images.reduce(
    (largest, image) => image.annotations.reduce((id, a) => Math.max(id, a.id ?? 0), largest),
    0,
  );
  const complete = (
    annotation: ObjectAnnotation,
    { fileName, width = 0, height = 0 }: DatasetImage,
  ): CocoAnnotation => {
    const { segmentation, iscrowd = 0, id = ++nextId } = annotation;
    if (type === 'bbox' && annotation.area !== undefined && annotation.bbox !== undefined) {
      return { segmentation: [], ...annotation, id, iscrowd, area: annotation.area, bbox: annotation.bbox };
    }
    if (segmentation === undefined) return fail(`annotation ${annotation.id ?? ''} of ${fileName} has no segmentation`);
    if (annotation.area !== undefined && annotation.bbox !== undefined) {
      return { ...annotation, id, segmentation, iscrowd, area: annotation.area, bbox: annotation.bbox };
    }
    try {
      const runs = segmentationRuns(segmentation, height, width);
      return { area: runsArea(runs), bbox: runsBox(runs), ...annotation, id, segmentation, iscrowd };
    } catch (error) {
      return fail(`annotation ${id} of ${fileName}: ${reasonOf(error)}`, error);
    }
  };
  return {
    categories: classes,
    images: images.map(({ id, fileName, width, height }) => {
      if (width === undefined || height === undefined) return fail(`the size of ${fileName} is not given`);
      return { id, file_name: fileName, width, height };
    }),
    annotations: images.flatMap((image) => image.annotations.map((annotation) => complete(annotation, image))),
  };
}
