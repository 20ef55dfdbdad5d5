/** What pseudo labels are made of: every image of a data set with its labels and what was detected in it. */
import { selectDetections } from '@cim/model/detect/select-detections';
import type { CocoResult } from '@cim/model/evaluate/coco-json';
import type { Rle } from '@cim/model/evaluate/rle';
import type { LabelledImage as PseudoLabelSource } from '@cim/model/label/pseudo-labels';
import type { Dataset, LabelledImage } from '../datasets/dataset.ts';
import { DataError } from '../errors.ts';
import { decodeImage } from '../images/decode.ts';
import { requireClasses } from '../results/instances.ts';
import { matchImages } from '../results/open-scores.ts';
import { readProposalMasks } from '../results/proposal-masks.ts';
import type { ScoreSource } from '../results/scores.ts';

/**
 * The images of a data set with their results. Of equal scores the later entry comes first.
 *
 * @param results with masks; those of images that are not listed are left out.
 * @throws DataError when a result has no mask or a category that the data set lacks; ImageError when the size of an
 *   image is not given and the image cannot be decoded.
 */
export async function* resultsOfImages(
  { images, classes }: Dataset,
  results: readonly CocoResult[],
): AsyncGenerator<PseudoLabelSource> {
  const classIndex = new Map(classes.map(({ id }, i) => [id, i]));
  const found = new Map<number, CocoResult[]>(images.map(({ id }) => [id, []]));
  for (const result of results) found.get(result.image_id)?.push(result);
  for (const image of images) {
    const own = found.get(image.id)!;
    yield {
      ...(await described(image)),
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
    };
  }
}

/**
 * The images of a data set with the detections selected from scores (generate_mask_for_MaskRCNN.py).
 *
 * @param proposals the folder of the proposals that were scored.
 * @throws DataError when scores, data set and proposals do not belong together.
 */
export async function* scoresOfImages(
  { images, classes }: Dataset,
  source: ScoreSource,
  proposals: string,
): AsyncGenerator<PseudoLabelSource> {
  requireClasses(source, classes.length);
  const indices = matchImages(source, images);
  for (const image of images) {
    const index = indices.get(image.id);
    const entry = await described(image);
    if (index === undefined || source.images[index].count === 0) {
      yield { ...entry, detections: [], masks: [] };
      continue;
    }
    const { scores, boxes } = await source.read(index);
    const detections = selectDetections(scores, boxes).filter(({ classIndex }) => entry.classes.has(classIndex));
    const { width, height } = entry;
    const found = await readProposalMasks(proposals, { ...image, width, height }, source.images[index].count);
    const masks: Rle[] = []; // by proposal: only those that were detected
    for (const { proposal } of detections) masks[proposal] = found.mask(proposal);
    yield { ...entry, detections, masks };
  }
}

async function described(image: LabelledImage) {
  const { id, fileName, labels } = image;
  return { id, file_name: fileName, ...(await imageSize(image)), classes: new Set(labels) };
}

/** Pixels, as the annotation file tells or the image is. */
async function imageSize({ file, width, height }: LabelledImage): Promise<{ width: number; height: number }> {
  if (width !== undefined && height !== undefined) return { width, height };
  const image = await decodeImage(file);
  return { width: image.width, height: image.height };
}
