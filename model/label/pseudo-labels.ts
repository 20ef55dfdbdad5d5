/**
 * Pseudo labels: detections in training images as an annotation file from which Mask R-CNN learns
 * (CIM's tools/generate_mask_for_MaskRCNN.py and change_mask_thr.py).
 */
import type { Detection } from '../detect/select-detections.ts';
import type { CocoAnnotation, CocoCategory, CocoImage, CocoJson } from '../evaluate/coco-json.ts';
import {
  compressRuns,
  MaskError,
  parseRle,
  type Rle,
  runsArea,
  runsBox,
  type UncompressedRle,
  uncompressRuns,
} from '../evaluate/rle.ts';

/** A training image with what was found in it. */
export interface LabelledImage extends CocoImage {
  /** The classes that the image's labels name. Detections of others are wrong and left out. */
  readonly classes: ReadonlySet<number>;
  /** What was found, in any order. */
  readonly detections: readonly Detection[];
  /** Masks of all proposals, by index, in the image's size. */
  readonly masks: readonly (Rle | UncompressedRle)[];
}

/** An annotation with the score of the detection that it comes from. */
export interface PseudoLabelAnnotation extends CocoAnnotation {
  /** The mask, in the form asked for. */
  readonly segmentation: UncompressedRle | Rle;
  /** Size of the image, pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** Of the detection. */
  readonly score: number;
}

/** The fields that COCO's tools expect beside an image's own; empty, so that equal detections give equal files. */
export interface PseudoLabelImage extends CocoImage {
  /** When the program began, in the original. */
  readonly date_captured: '';
  /** As the original writes it. */
  readonly license: 1;
  /** There is none. */
  readonly coco_url: '';
  /** There is none. */
  readonly flickr_url: '';
}

/** Which detections become labels, and how masks are written. */
export interface PseudoLabelOptions {
  /** Only the best detection of each class of an image (all of them if several share the best score). */
  readonly bestOnly?: boolean;
  /** Detections with a lower score are left out. 0.3; with `bestOnly` 0, so that every class keeps its best. */
  readonly scoreThreshold?: number;
  /** `counts`: plain run lengths, as the original writes them. `rle`: compressed, several times smaller. */
  readonly segmentation?: 'counts' | 'rle';
}

/**
 * The annotation file: all images by ascending id; annotations, numbered from 1, by image, class, then falling score
 * (of equal scores the later proposal first). Empty masks are left out.
 *
 * @param categories by class index.
 * @throws MaskError when a mask has not its image's size.
 */
export function pseudoLabels(
  images: readonly LabelledImage[],
  categories: readonly CocoCategory[],
  options: PseudoLabelOptions = {},
): CocoJson<PseudoLabelAnnotation, PseudoLabelImage> {
  const annotations: PseudoLabelAnnotation[] = [];
  const sorted = images.toSorted((a, b) => a.id - b.id);
  for (const image of sorted) {
    annotations.push(...imageAnnotations(image, categories, annotations.length + 1, options));
  }
  return { images: sorted.map(imageEntry), annotations, categories };
}

/** An image's entry in the annotation file. */
export const imageEntry = ({ id, file_name, width, height }: CocoImage): PseudoLabelImage => ({
  id,
  file_name,
  width,
  height,
  date_captured: '',
  license: 1,
  coco_url: '',
  flickr_url: '',
});

/**
 * The annotations of one image, numbered from `firstId`. See {@link pseudoLabels}.
 *
 * @throws MaskError when a mask is not of the image's size.
 */
export function imageAnnotations(
  image: LabelledImage,
  categories: readonly CocoCategory[],
  firstId: number,
  { bestOnly = false, scoreThreshold = bestOnly ? 0 : 0.3, segmentation = 'counts' }: PseudoLabelOptions,
): PseudoLabelAnnotation[] {
  const annotations: PseudoLabelAnnotation[] = [];
  for (const { proposal, classIndex, score } of labelledDetections(image, bestOnly)) {
    const runs = parseRle(image.masks[proposal]);
    if (runs.height !== image.height || runs.width !== image.width) {
      throw new MaskError(
        `Mask ${proposal} of image ${image.id} is ${runs.height} × ${runs.width} pixels, the image ${image.height} × ${image.width}.`,
        'Use the proposals of this very image file.',
      );
    }
    const area = runsArea(runs);
    if (score < scoreThreshold || area === 0) continue;
    annotations.push({
      id: firstId + annotations.length,
      image_id: image.id,
      category_id: categories[classIndex].id,
      iscrowd: 0,
      area,
      bbox: runsBox(runs),
      segmentation: segmentation === 'rle' ? compressRuns(runs) : uncompressRuns(runs),
      width: image.width,
      height: image.height,
      score,
    });
  }
  return annotations;
}

/** Detections of the image's own classes by class, then falling score. */
function labelledDetections({ classes, detections }: LabelledImage, bestOnly: boolean): Detection[] {
  const own = detections
    .filter(({ classIndex }) => classes.has(classIndex))
    .sort((a, b) => a.classIndex - b.classIndex || b.score - a.score || b.proposal - a.proposal);
  if (!bestOnly) return own;
  const best = new Map<number, number>();
  for (const { classIndex, score } of own) best.set(classIndex, Math.max(score, best.get(classIndex) ?? score));
  return own.filter(({ classIndex, score }) => score === best.get(classIndex));
}
