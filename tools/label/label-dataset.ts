import type { CocoJson, CocoResult } from '@cim/model/evaluate/coco-json';
import {
  type PseudoLabelAnnotation,
  type PseudoLabelImage,
  type PseudoLabelOptions,
  pseudoLabels,
} from '@cim/model/label/pseudo-labels';
import type { LabelledDataset, LabelledImage } from '../datasets/dataset.ts';
import { DataError } from '../errors.ts';
import { decodeImage } from '../images/decode.ts';

/**
 * Pseudo labels for Mask R-CNN: the results that agree with the labels of their images, as an annotation file.
 *
 * @param results with masks; those of images that are not listed (they have no label) are left out. Of equal scores
 *   the later entry comes first.
 * @throws DataError when a result has no mask or a category that the data set lacks; ImageError when the size of an
 *   image is not given and the image cannot be decoded; MaskError when a mask has not its image's size.
 */
export async function labelDataset(
  { images, classes }: LabelledDataset,
  results: readonly CocoResult[],
  options: PseudoLabelOptions,
): Promise<CocoJson<PseudoLabelAnnotation, PseudoLabelImage>> {
  const classIndex = new Map(classes.map(({ id }, i) => [id, i]));
  const found = new Map<number, CocoResult[]>(images.map(({ id }) => [id, []]));
  for (const result of results) found.get(result.image_id)?.push(result);
  const labelled = [];
  for (const image of images) {
    const own = found.get(image.id)!;
    labelled.push({
      id: image.id,
      file_name: image.fileName,
      ...(await imageSize(image)),
      classes: new Set(image.labels),
      detections: own.map(({ category_id, score }, proposal) => {
        const index = classIndex.get(category_id);
        if (index === undefined) {
          throw new DataError(
            `A result in image ${image.id} (${image.fileName}) has the category ${category_id}, which the data set lacks.`,
            'Use the data set that the results were made from.',
          );
        }
        return { proposal, classIndex: index, score };
      }),
      masks: own.map(({ segmentation, score }) => {
        if (segmentation) return segmentation;
        throw new DataError(
          `A result in image ${image.id} (${image.fileName}, score ${score}) has no segmentation.`,
          'Pseudo labels are made of masks: use the results of type "segm".',
        );
      }),
    });
  }
  return pseudoLabels(labelled, classes, options);
}

/** Pixels, as the annotation file tells or the image is. */
async function imageSize({ file, width, height }: LabelledImage): Promise<{ width: number; height: number }> {
  if (width !== undefined && height !== undefined) return { width, height };
  const image = await decodeImage(file);
  return { width: image.width, height: image.height };
}
