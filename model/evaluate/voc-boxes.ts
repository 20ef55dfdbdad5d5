/**
 * PASCAL VOC's box metrics: average precision and CorLoc of one class (CIM's lib/datasets/voc_eval.py, dis_eval.py).
 *
 * The original writes detections to VOC's result files and evaluates what it reads back, so scores count with three
 * decimals and corners with one. Corners are inclusive: a box is x2 − x1 + 1 wide.
 */
import { formatFixed } from './format.ts';

type Corners = readonly [number, number, number, number];

/** An object of a class in an image. */
export interface VocObject {
  /** x1, y1, x2, y2 in pixels from 1, as in VOC's XML files. */
  readonly box: Corners;
  /** Neither right nor wrong to find. */
  readonly difficult: boolean;
}

/** A box that a detector found, of one class. */
export interface VocDetection {
  /** Name of the image. */
  readonly image: string;
  /** x1, y1, x2, y2 in pixels from 0. */
  readonly box: Corners;
  /** Counts with three decimals. */
  readonly score: number;
}

/** 0.5 and the whole curve unless given. */
export interface VocBoxOptions {
  /** Overlaps must be larger. */
  readonly iouThreshold?: number;
  /** VOC 2007's metric: precision at recall 0, 0.1 … 1. Otherwise the area under the whole curve, as from 2010. */
  readonly elevenPoint?: boolean;
}

/** Average precision of one class, and the curve it is the area of. */
export interface VocBoxAp {
  /** −1 without objects that count, 0 without detections. */
  readonly ap: number;
  /** After each detection, best score first; [0] without detections. */
  readonly recall: readonly number[];
  /** After each detection, best score first. */
  readonly precision: readonly number[];
}

/** Score and corners as they read in a result file. */
const roundedNumbers = ({ box, score }: VocDetection): string[] => [
  formatFixed(score, 3),
  ...box.map((coordinate) => formatFixed(coordinate + 1, 1)),
];

/** The line of a VOC result file (comp4_det_SET_CLASS.txt). */
export const vocResultLine = (detection: VocDetection): string =>
  [detection.image, ...roundedNumbers(detection)].join(' ');

/**
 * Average precision of one class. Detections of equal rounded score keep their order.
 *
 * @param objects of the class, by image name.
 */
export function vocBoxAp(
  objects: ReadonlyMap<string, readonly VocObject[]>,
  detections: readonly VocDetection[],
  { iouThreshold = 0.5, elevenPoint = false }: VocBoxOptions = {},
): VocBoxAp {
  const count = [...objects.values()].flat().filter(({ difficult }) => !difficult).length;
  if (count === 0) return { ap: -1, recall: [0], precision: [0] };
  if (detections.length === 0) return { ap: 0, recall: [0], precision: [0] };
  const ranked = detections
    .map((detection) => ({ score: Number(formatFixed(detection.score, 3)), match: bestMatch(objects, detection) }))
    .sort((a, b) => b.score - a.score);
  const found = new Set<VocObject>();
  const recall: number[] = [];
  const precision: number[] = [];
  let [truePositives, falsePositives] = [0, 0];
  for (const { match } of ranked) {
    if (!match || match.iou <= iouThreshold || found.has(match.object)) {
      falsePositives++;
    } else if (!match.object.difficult) {
      truePositives++;
      found.add(match.object);
    }
    recall.push(truePositives / count);
    precision.push(truePositives / Math.max(truePositives + falsePositives, Number.EPSILON));
  }
  return { ap: vocAveragePrecision(recall, precision, elevenPoint), recall, precision };
}

/** The object that a detection overlaps most, the first of equal ones. */
function bestMatch(objects: ReadonlyMap<string, readonly VocObject[]>, detection: VocDetection) {
  const [x1, y1, x2, y2] = roundedNumbers(detection).slice(1).map(Number);
  let best: { object: VocObject; iou: number } | undefined;
  for (const object of objects.get(detection.image) ?? []) {
    const [left, top, right, bottom] = object.box;
    const width = Math.max(Math.min(right, x2) - Math.max(left, x1) + 1, 0);
    const height = Math.max(Math.min(bottom, y2) - Math.max(top, y1) + 1, 0);
    const area = (x2 - x1 + 1) * (y2 - y1 + 1) + (right - left + 1) * (bottom - top + 1);
    const iou = (width * height) / (area - width * height);
    if (!best || iou > best.iou) best = { object, iou };
  }
  return best;
}

/** AP of a curve whose recall does not fall: by eleven points or by area under the precision envelope. */
export function vocAveragePrecision(
  recall: readonly number[],
  precision: readonly number[],
  elevenPoint: boolean,
): number {
  const envelope = [...precision];
  for (let i = envelope.length - 1; i > 0; i--) envelope[i - 1] = Math.max(envelope[i - 1], envelope[i]);
  if (elevenPoint) {
    let sum = 0;
    for (let level = 0; level <= 10; level++) {
      const first = recall.findIndex((value) => value >= level * 0.1);
      if (first >= 0) sum += envelope[first];
    }
    return sum / 11;
  }
  return envelope.reduce((area, value, i) => area + (recall[i] - (recall[i - 1] ?? 0)) * value, 0);
}

/**
 * CorLoc of one class: the share of the images with the class in which the one detection given for it overlaps an object
 * by more than 0.5. Difficult objects count. −1 if no image has the class.
 */
export function corLoc(
  objects: ReadonlyMap<string, readonly VocObject[]>,
  detections: readonly VocDetection[],
): number {
  const images = [...objects.values()].filter((boxes) => boxes.length > 0).length;
  const hits = detections.filter((detection) => (bestMatch(objects, detection)?.iou ?? 0) > 0.5).length;
  return images === 0 ? -1 : hits / images;
}
