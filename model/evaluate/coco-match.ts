/** The first half of COCO's evaluation: which detection finds which object (pycocotools' COCOeval.evaluate). */
import {
  type CocoAnnotation,
  type CocoImage,
  type CocoJson,
  type CocoResult,
  EvaluationError,
  segmentationRuns,
} from './coco-json.ts';
import { boxIou, type MeasuredMask, maskIou, measureMask } from './iou.ts';
import { parseRle, rleArea, type XywhBox } from './rle.ts';

/** Object sizes, in pixels of area, both ends inclusive. */
export const areaRanges: readonly { readonly name: string; readonly low: number; readonly high: number }[] = [
  { name: 'all', low: 0, high: 1e10 },
  { name: 'small', low: 0, high: 32 ** 2 },
  { name: 'medium', low: 32 ** 2, high: 96 ** 2 },
  { name: 'large', low: 96 ** 2, high: 1e10 },
];

const FALSE_POSITIVE = 0;
/** The detection finds an object. */
export const TRUE_POSITIVE = 1;
/** Matched a crowd or an object of another size, or unmatched and itself of another size: neither right nor wrong. */
export const IGNORED = 2;

/** The detections of one category over all images, D of them, best score first. */
export interface CategoryMatches {
  /** [D]. */
  readonly scores: Float64Array;
  /** Of shape [D]: position among the detections of the same image and category, 0 = best. */
  readonly ranks: Uint32Array;
  /** Of shape [areas, thresholds, D]: FALSE_POSITIVE, TRUE_POSITIVE or IGNORED. */
  readonly outcomes: Uint8Array;
  /** Of shape [areas]: objects to be found. */
  readonly objects: readonly number[];
}

/** What is compared: masks or boxes. */
interface Geometry<S extends { readonly area: number }> {
  truth(annotation: CocoAnnotation, image: CocoImage): S;
  detection(result: CocoResult): S;
  /** Pixels of a detection that is compared with nothing. */
  area(result: CocoResult): number;
  iou(detection: S, truth: S, isCrowd: boolean): number;
}

const missing = (result: CocoResult, what: string): never => {
  throw new EvaluationError(
    `A detection in image ${result.image_id} (category ${result.category_id}, score ${result.score}) has no ${what}.`,
    'Evaluate the kind of result the file holds.',
  );
};

const maskGeometry: Geometry<MeasuredMask> = {
  truth: ({ segmentation }, { height, width }) => measureMask(segmentationRuns(segmentation, height, width)),
  detection: (result) => measureMask(parseRle(result.segmentation ?? missing(result, 'segmentation'))),
  area: (result) => rleArea(result.segmentation ?? missing(result, 'segmentation')),
  iou: maskIou,
};

const measureBox = (box: XywhBox) => ({ box, area: box[2] * box[3] });
const boxGeometry: Geometry<ReturnType<typeof measureBox>> = {
  truth: ({ bbox }) => measureBox(bbox),
  detection: (result) => measureBox(result.bbox ?? missing(result, 'bbox')),
  area: (result) => boxGeometry.detection(result).area,
  iou: (detection, truth, isCrowd) => boxIou(detection.box, truth.box, isCrowd),
};

/** The objects and detections of one category in one image. */
interface Cell {
  readonly image: CocoImage;
  readonly truths: CocoAnnotation[];
  detections: CocoResult[];
}

/**
 * Matches detections with objects, each category on its own, in ascending order of category id.
 * @param thresholds IoU from which a detection finds an object, T of them.
 * @param limit how many detections count for each image and category, the best.
 * @throws EvaluationError when an image is not in the annotation file, or a result lacks what is compared.
 */
export function matchDetections(
  gt: CocoJson,
  detections: readonly CocoResult[],
  type: 'segm' | 'bbox',
  thresholds: readonly number[],
  limit: number,
): CategoryMatches[] {
  return groupByCategory(gt, detections).map((cells) =>
    type === 'segm'
      ? matchCategory(cells, maskGeometry, thresholds, limit)
      : matchCategory(cells, boxGeometry, thresholds, limit),
  );
}

/** Cells by category (ascending id), each list in ascending order of image id. */
function groupByCategory(gt: CocoJson, detections: readonly CocoResult[]): Cell[][] {
  const images = new Map(gt.images.map((image) => [image.id, image]));
  const categoryIds = gt.categories.map(({ id }) => id).sort((a, b) => a - b);
  const cellsOf = new Map(categoryIds.map((id) => [id, new Map<number, Cell>()]));
  const cellOf = (entry: CocoAnnotation | CocoResult): Cell | undefined => {
    const image = images.get(entry.image_id);
    if (!image) {
      throw new EvaluationError(
        `Image ${entry.image_id} of a detection or annotation is not among the ${images.size} images of the annotation file.`,
        'Use the annotation file of the images the results were made from.',
      );
    }
    const cells = cellsOf.get(entry.category_id);
    let cell = cells?.get(image.id);
    if (cells && !cell) cells.set(image.id, (cell = { image, truths: [], detections: [] }));
    return cell;
  };
  // Entries of categories the file does not list count nowhere.
  for (const annotation of gt.annotations) cellOf(annotation)?.truths.push(annotation);
  for (const detection of detections) cellOf(detection)?.detections.push(detection);
  return [...cellsOf.values()].map((cells) => [...cells.values()].sort((a, b) => a.image.id - b.image.id));
}

function matchCategory<S extends { readonly area: number }>(
  cells: readonly Cell[],
  geometry: Geometry<S>,
  thresholds: readonly number[],
  limit: number,
): CategoryMatches {
  let total = 0;
  for (const cell of cells) {
    // Equal scores keep the order of the file: the sort is stable.
    cell.detections = cell.detections.sort((a, b) => b.score - a.score).slice(0, limit);
    total += cell.detections.length;
  }
  const scores = new Float64Array(total);
  const ranks = new Uint32Array(total);
  const outcomes = new Uint8Array(areaRanges.length * thresholds.length * total);
  const objects = areaRanges.map(() => 0);
  let first = 0;
  for (const cell of cells) {
    const { truths, detections } = cell;
    const found = truths.length > 0 ? detections.map(geometry.detection) : null;
    const areas = found ? found.map(({ area }) => area) : detections.map(geometry.area);
    for (let d = 0; d < detections.length; d++) {
      scores[first + d] = detections[d].score;
      ranks[first + d] = d;
    }
    const overlaps = found && measureOverlaps(cell, found, geometry);
    for (let a = 0; a < areaRanges.length; a++) {
      const { low, high } = areaRanges[a];
      const isIgnored = truths.map(({ area, iscrowd }) => iscrowd === 1 || area < low || area > high);
      const order = [...truths.keys()].sort((g, h) => Number(isIgnored[g]) - Number(isIgnored[h]));
      for (const ignored of isIgnored) if (!ignored) objects[a]++;
      for (let t = 0; t < thresholds.length; t++) {
        const start = (a * thresholds.length + t) * total + first;
        fillUnmatched(areas, low, high, outcomes, start);
        // Equal masks count as found at an IoU of 1 less a rounding error.
        const threshold = Math.min(thresholds[t], 1 - 1e-10);
        if (overlaps && overlaps.best >= threshold)
          matchCell(cell, { isIgnored, order }, overlaps, threshold, outcomes, start);
      }
    }
    first += detections.length;
  }
  return inOrder({ scores, ranks, outcomes, objects });
}

function fillUnmatched(areas: readonly number[], low: number, high: number, outcomes: Uint8Array, start: number): void {
  for (let d = 0; d < areas.length; d++) {
    outcomes[start + d] = areas[d] < low || areas[d] > high ? IGNORED : FALSE_POSITIVE;
  }
}

/** Best score first; equal scores stay as they are. */
function inOrder({ scores, ranks, outcomes, objects }: CategoryMatches): CategoryMatches {
  const total = scores.length;
  const order = Uint32Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a] || a - b);
  const sorted = new Uint8Array(outcomes.length);
  for (let row = 0; row < outcomes.length; row += total) {
    for (let d = 0; d < total; d++) sorted[row + d] = outcomes[row + order[d]];
  }
  return {
    scores: scores.map((_, d) => scores[order[d]]),
    ranks: ranks.map((_, d) => ranks[order[d]]),
    outcomes: sorted,
    objects,
  };
}

/** The overlaps of one cell. */
interface Overlaps {
  /** [detections, truths] IoU. */
  readonly ious: Float64Array;
  /** Of shape [detections]: with any object. */
  readonly bestOf: Float64Array;
  /** Of all. */
  readonly best: number;
}

function measureOverlaps<S extends { readonly area: number }>(
  { truths, image }: Cell,
  found: readonly S[],
  geometry: Geometry<S>,
): Overlaps {
  const ious = new Float64Array(found.length * truths.length);
  const bestOf = new Float64Array(found.length);
  const shapes = found.length > 0 ? truths.map((annotation) => geometry.truth(annotation, image)) : [];
  let best = 0;
  for (let d = 0; d < found.length; d++) {
    for (let g = 0; g < shapes.length; g++) {
      const iou = geometry.iou(found[d], shapes[g], truths[g].iscrowd === 1);
      ious[d * shapes.length + g] = iou;
      if (iou > bestOf[d]) bestOf[d] = iou;
    }
    if (bestOf[d] > best) best = bestOf[d];
  }
  return { ious, bestOf, best };
}

/**
 * Gives each detection, best first, the free object it overlaps most; objects that count come before ignored ones,
 * and a crowd is never used up. Of equal overlaps the last object wins, as in pycocotools.
 *
 * @param outcomes from `start` on; those of detections that find nothing stay as they are.
 */
function matchCell(
  { truths }: Cell,
  { isIgnored, order }: { readonly isIgnored: readonly boolean[]; readonly order: readonly number[] },
  { ious, bestOf }: Overlaps,
  threshold: number,
  outcomes: Uint8Array,
  start: number,
): void {
  const taken = new Uint8Array(truths.length);
  for (let d = 0; d < bestOf.length; d++) {
    if (bestOf[d] < threshold) continue;
    let best = -1;
    let bestIou = threshold;
    for (const g of order) {
      if (best >= 0 && isIgnored[g] && !isIgnored[best]) break;
      if (taken[g] && truths[g].iscrowd !== 1) continue;
      const iou = ious[d * truths.length + g];
      if (iou < bestIou) continue;
      bestIou = iou;
      best = g;
    }
    if (best < 0) continue;
    taken[best] = 1;
    if (isIgnored[best]) outcomes[start + d] = IGNORED;
    // pycocotools notes the object's id and takes an id of 0 for "none": such an object is used up but not found.
    else if (truths[best].id !== 0) outcomes[start + d] = TRUE_POSITIVE;
  }
}
