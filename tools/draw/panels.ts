/** What is drawn over an image: one panel a source. */
import { type CocoAnnotation, type CocoJson, type CocoResult, segmentationRuns } from '@cim/model/evaluate/coco-json';
import { decodeRle, maskOfRuns, type XywhBox } from '@cim/model/evaluate/rle';
import type { Dataset, DatasetClass, DatasetImage } from '../datasets/dataset.ts';
import { DataError, firstNames } from '../errors.ts';
import { instanceResults } from '../results/instances.ts';
import { readProposalMasks } from '../results/proposal-masks.ts';
import type { ScoreSource } from '../results/scores.ts';
import type { DrawnInstance } from './overlay.ts';

/** An image and its size in pixels. */
export interface SizedImage extends DatasetImage {
  readonly width: number;
  readonly height: number;
}

export interface Panel {
  /** Instances of an image, lowest first, and what a caption says of them. */
  draw(image: SizedImage): Promise<{ readonly instances: readonly DrawnInstance[]; readonly caption: string }>;
}

/** Objects of an annotation file. */
export function objectsPanel(dataset: Dataset, { annotations }: CocoJson): Panel {
  const objects = byImage(annotations);
  return {
    async draw(image) {
      const instances = (objects.get(image.id) ?? [])
        .toSorted((a, b) => b.area - a.area) // small ones on top
        .map((annotation) => annotationInstance(dataset, image, annotation));
      return { instances, caption: `Objects: ${firstNames(instances.map(({ className }) => className)) || 'none'}` };
    },
  };
}

/** Pseudo labels: objects with a score. */
export function labelsPanel(dataset: Dataset, { annotations }: CocoJson<CocoAnnotation & { score?: number }>): Panel {
  const labels = byImage(annotations);
  return {
    async draw(image) {
      const instances = (labels.get(image.id) ?? [])
        .toSorted((a, b) => (a.score ?? 0) - (b.score ?? 0))
        .map((label) => ({ ...annotationInstance(dataset, image, label), score: label.score }));
      return { instances, caption: `Labels: ${scoredNames(instances) || 'none'}` };
    },
  };
}

/** Detections of at least `minScore`. */
export function detectionsPanel(dataset: Dataset, results: readonly CocoResult[], minScore: number): Panel {
  const detections = byImage(results.filter(({ score }) => score >= minScore));
  return { draw: async (image) => drawDetections(dataset, image, detections.get(image.id) ?? []) };
}

/** Detections of at least `minScore`, selected from scores of the proposals in a folder. */
export function scoresPanel(dataset: Dataset, source: ScoreSource, proposals: string, minScore: number): Panel {
  return {
    async draw(image) {
      const found: CocoResult[] = [];
      // The others are matched too, so that files of other data sets are refused, but not read.
      const options = { source, images: [image], known: dataset.images, categories: dataset.classes, proposals };
      for await (const instances of instanceResults(options)) found.push(...instances);
      return drawDetections(
        dataset,
        image,
        found.filter(({ score }) => score >= minScore),
      );
    },
  };
}

/** Contours of all proposals in a folder, small ones on top. */
export function proposalsPanel(folder: string): Panel {
  return {
    async draw(image) {
      const { count, mask } = await readProposalMasks(folder, image);
      const masks = Array.from({ length: count }, (_, n) => decodeRle(mask(n)));
      const areas = masks.map((pixels) => pixels.reduce((sum, pixel) => sum + pixel, 0));
      const instances = masks
        .map((pixels, n) => ({ mask: pixels, classIndex: n, className: '', contourOnly: true, area: areas[n] }))
        .sort((a, b) => b.area - a.area);
      return { instances, caption: `Proposals: ${count}` };
    },
  };
}

function drawDetections(dataset: Dataset, image: SizedImage, detections: readonly CocoResult[]) {
  const instances = detections
    .toSorted((a, b) => a.score - b.score) // the surest on top
    .map(({ category_id, segmentation, bbox, score }) => {
      const mask = segmentation ? decodeRle(segmentation) : new Uint8Array(image.width * image.height);
      return { ...instanceOf(dataset, image, category_id, mask, segmentation ? undefined : bbox), score };
    });
  return { instances, caption: `Found: ${scoredNames(instances) || 'nothing'}` };
}

const scoredNames = (instances: readonly DrawnInstance[]): string =>
  firstNames(instances.toReversed().map(({ className, score }) => `${className} ${score?.toFixed(2) ?? ''}`.trimEnd()));

const annotationInstance = (
  dataset: Dataset,
  image: SizedImage,
  { category_id, segmentation }: CocoAnnotation,
): DrawnInstance =>
  instanceOf(dataset, image, category_id, maskOfRuns(segmentationRuns(segmentation, image.height, image.width)));

function instanceOf(
  { name, classes }: Pick<Dataset, 'name'> & { readonly classes: readonly DatasetClass[] },
  { fileName, width, height }: SizedImage,
  category: number,
  mask: Uint8Array,
  bbox?: XywhBox,
): DrawnInstance {
  const classIndex = classes.findIndex((known) => known.id === category);
  if (classIndex < 0 || mask.length !== width * height) {
    throw new DataError(
      classIndex < 0
        ? `An instance in ${fileName} has the category ${category}, which "${name}" lacks.`
        : `A mask in ${fileName} has ${mask.length} pixels, the image ${height} × ${width}.`,
      'Use the data set that the results were made from.',
    );
  }
  const box = bbox && ([bbox[0], bbox[1], bbox[0] + bbox[2], bbox[1] + bbox[3]] as const);
  return { mask, box, classIndex, className: classes[classIndex].name };
}

/** Annotations or results by the image they are of. */
export function byImage<T extends { readonly image_id: number }>(entries: readonly T[]): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const entry of entries) {
    const group = groups.get(entry.image_id);
    if (group) group.push(entry);
    else groups.set(entry.image_id, [entry]);
  }
  return groups;
}
