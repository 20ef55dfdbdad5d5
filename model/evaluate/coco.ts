/** COCO's detection metrics for masks and boxes, equal to pycocotools (COCOeval) to rounding. */
import type { CocoJson, CocoResult } from './coco-json.ts';
import { areaRanges, type CategoryMatches, IGNORED, matchDetections, TRUE_POSITIVE } from './coco-match.ts';
import { formatFixed } from './format.ts';

/** Recall levels 0, 0.01 … 1 at which precision is sampled. */
export const recallLevels = 101;

// As numpy.linspace rounds them: the ninth threshold is just below 0.9.
const iouStep = (0.95 - 0.5) / 9;
const cocoThresholds: readonly number[] = Array.from({ length: 10 }, (_, i) => (i === 9 ? 0.95 : 0.5 + i * iouStep));

/** What {@link evaluateCoco} measures. */
export interface CocoOptions {
  /** Masks or boxes. The area of a detection is that of its mask or of its box. */
  readonly type: 'segm' | 'bbox';
  /** Ascending; 0.5, 0.55 … 0.95 by default. */
  readonly iouThresholds?: readonly number[];
  /** How many detections count for each image and category, ascending; 1, 10, 100 by default. */
  readonly maxDetections?: readonly [number, number, number];
}

/** Scores of one category. */
export interface CategoryResult {
  /** As in the annotation file. */
  readonly categoryId: number;
  /** As in the annotation file. */
  readonly name: string;
  /** Mean over all thresholds; all sizes, most detections. −1: no objects of this category. */
  readonly ap: number;
  /** [T]. */
  readonly apByIou: readonly number[];
  /** Share of the objects found, mean over all thresholds. */
  readonly recall: number;
}

/**
 * Tables over T IoU thresholds, K categories (ascending id), A = 4 areas (all, small, medium, large), M = 3 limits of
 * detections. −1 stands for "undefined": there is no object to find.
 */
export interface CocoEvaluation {
  /** The 12 numbers named by `cocoStatistics`. */
  readonly stats: readonly number[];
  /** By ascending id. */
  readonly byCategory: readonly CategoryResult[];
  /** T of them, as asked for. */
  readonly iouThresholds: readonly number[];
  /** M of them, as asked for. */
  readonly maxDetections: readonly [number, number, number];
  /** Of shape [T, K, A, M]: area under the interpolated precision curve. */
  readonly averagePrecision: Float64Array;
  /** Of shape [T, K, A, M]: largest recall reached. */
  readonly recall: Float64Array;
  /** Of shape [T, K, A, M, 101]: best precision at this recall or more, 0 beyond what was reached. */
  readonly precision: Float64Array;
  /** Of shape [T, K, A, M, 101]: score of the detection that reaches this recall. */
  readonly scores: Float64Array;
}

interface Statistic {
  readonly name: string;
  readonly table: 'averagePrecision' | 'recall';
  /** A single threshold; all of them if absent. */
  readonly iou?: number;
  readonly area: number;
  /** Index into maxDetections. */
  readonly limit: number;
}

/** What the 12 numbers are, in their order. */
export const cocoStatistics: readonly Statistic[] = [
  { name: 'AP', table: 'averagePrecision', area: 0, limit: 2 },
  { name: 'AP50', table: 'averagePrecision', iou: 0.5, area: 0, limit: 2 },
  { name: 'AP75', table: 'averagePrecision', iou: 0.75, area: 0, limit: 2 },
  { name: 'AP small', table: 'averagePrecision', area: 1, limit: 2 },
  { name: 'AP medium', table: 'averagePrecision', area: 2, limit: 2 },
  { name: 'AP large', table: 'averagePrecision', area: 3, limit: 2 },
  { name: 'AR1', table: 'recall', area: 0, limit: 0 },
  { name: 'AR10', table: 'recall', area: 0, limit: 1 },
  { name: 'AR100', table: 'recall', area: 0, limit: 2 },
  { name: 'AR small', table: 'recall', area: 1, limit: 2 },
  { name: 'AR medium', table: 'recall', area: 2, limit: 2 },
  { name: 'AR large', table: 'recall', area: 3, limit: 2 },
];

/**
 * Evaluates a result file against an annotation file.
 * @throws EvaluationError when a detection lies in an image the annotations lack, or has no mask (or box).
 * @example
 * ```ts
 * import { cocoStatistics, evaluateCoco } from '@cim/model/evaluate/coco';
 * import { encodeRle } from '@cim/model/evaluate/rle';
 *
 * const mask = new Uint8Array(16 * 16).fill(1, 0, 128); // the upper half
 * const segmentation = encodeRle(mask, 16, 16);
 * const truth = {
 *   images: [{ id: 1, file_name: '1.jpg', width: 16, height: 16 }],
 *   categories: [{ id: 1, name: 'cat' }],
 *   annotations: [
 *     { id: 1, image_id: 1, category_id: 1, area: 128, bbox: [0, 0, 16, 8], segmentation, iscrowd: 0 } as const,
 *   ],
 * };
 * const results = [{ image_id: 1, category_id: 1, score: 0.9, segmentation }];
 * const { stats } = evaluateCoco(truth, results, { type: 'segm' });
 * console.log(cocoStatistics[0].name, stats[0].toFixed(2)); // → AP 1.00
 * ```
 */
export function evaluateCoco(
  gt: CocoJson,
  detections: readonly CocoResult[],
  { type, iouThresholds = cocoThresholds, maxDetections = [1, 10, 100] }: CocoOptions,
): CocoEvaluation {
  const categories = gt.categories.toSorted((a, b) => a.id - b.id);
  const matches = matchDetections(gt, detections, type, iouThresholds, maxDetections[2]);
  const rows = iouThresholds.length * categories.length * areaRanges.length * maxDetections.length;
  const tables = {
    averagePrecision: new Float64Array(rows).fill(-1),
    recall: new Float64Array(rows).fill(-1),
    precision: new Float64Array(rows * recallLevels).fill(-1),
    scores: new Float64Array(rows * recallLevels).fill(-1),
  };
  let row = 0;
  for (let t = 0; t < iouThresholds.length; t++) {
    for (const match of matches) {
      for (let a = 0; a < areaRanges.length; a++) {
        for (const limit of maxDetections) {
          if (match.objects[a] > 0) {
            const precision = tables.precision.subarray(row * recallLevels, (row + 1) * recallLevels);
            const scores = tables.scores.subarray(row * recallLevels, (row + 1) * recallLevels);
            tables.recall[row] = fillCurve(match, a, a * iouThresholds.length + t, limit, precision, scores);
            tables.averagePrecision[row] = precision.reduce((sum, value) => sum + value, 0) / recallLevels;
          }
          row++;
        }
      }
    }
  }
  const at = (t: number, k: number, a: number, m: number): number =>
    ((t * categories.length + k) * areaRanges.length + a) * maxDetections.length + m;
  const stats = cocoStatistics.map(({ table, iou, area, limit }) => {
    const ts = [...iouThresholds.keys()].filter((t) => iou === undefined || iouThresholds[t] === iou);
    return meanDefined(ts.flatMap((t) => categories.map((_, k) => tables[table][at(t, k, area, limit)])));
  });
  const byCategory = categories.map(({ id, name }, k) => {
    const apByIou = iouThresholds.map((_, t) => tables.averagePrecision[at(t, k, 0, 2)]);
    const recall = meanDefined(iouThresholds.map((_, t) => tables.recall[at(t, k, 0, 2)]));
    return { categoryId: id, name, ap: meanDefined(apByIou), apByIou, recall };
  });
  return { stats, byCategory, iouThresholds, maxDetections, ...tables };
}

/** Mean of the values that are defined, −1 if none is. */
function meanDefined(values: readonly number[]): number {
  const defined = values.filter((value) => value > -1);
  return defined.length === 0 ? -1 : defined.reduce((sum, value) => sum + value, 0) / defined.length;
}

/**
 * Samples the precision over recall of one category, area and threshold (COCOeval.accumulate) and returns the recall
 * reached. Detections beyond `limit` in their image and category are left out.
 *
 * Only detections that find an object are points of the curve: at the others recall stays and precision does not rise. A
 * recall of 0, however, is reached by the very first detection.
 */
function fillCurve(
  { scores, ranks, outcomes, objects }: CategoryMatches,
  area: number,
  outcomeRow: number,
  limit: number,
  precisionCurve: Float64Array,
  scoreCurve: Float64Array,
): number {
  const start = outcomeRow * scores.length;
  const found: number[] = [];
  const precision: number[] = [];
  let first = -1;
  let falsePositives = 0;
  for (let d = 0; d < scores.length; d++) {
    if (ranks[d] >= limit) continue;
    if (first < 0) first = d;
    const outcome = outcomes[start + d];
    if (outcome === IGNORED) continue;
    if (outcome !== TRUE_POSITIVE) {
      falsePositives++;
      continue;
    }
    found.push(d);
    precision.push(found.length / (falsePositives + found.length + Number.EPSILON));
  }
  for (let p = found.length - 1; p > 0; p--) {
    if (precision[p - 1] < precision[p]) precision[p - 1] = precision[p];
  }
  precisionCurve.fill(0);
  scoreCurve.fill(0);
  if (first >= 0) {
    precisionCurve[0] = precision[0] ?? 0;
    scoreCurve[0] = scores[first];
  }
  for (let level = 1, p = 0; level < recallLevels; level++) {
    while (p < found.length && (p + 1) / objects[area] < level * 0.01) p++;
    if (p === found.length) break;
    precisionCurve[level] = precision[p];
    scoreCurve[level] = scores[found[p]];
  }
  return found.length / objects[area];
}

/** The 12 lines that pycocotools prints. */
export function summaryLines({ stats, iouThresholds, maxDetections }: CocoEvaluation): string[] {
  return cocoStatistics.map(({ table, iou, area, limit }, i) => {
    const title = table === 'recall' ? 'Average Recall     (AR)' : 'Average Precision  (AP)';
    const ious = iou === undefined ? [iouThresholds[0], iouThresholds[iouThresholds.length - 1]] : [iou];
    const range = ious
      .map((value) => formatFixed(value, 2))
      .join(':')
      .padEnd(9);
    const size = areaRanges[area].name.padStart(6);
    const most = String(maxDetections[limit]).padStart(3);
    return ` ${title} @[ IoU=${range} | area=${size} | maxDets=${most} ] = ${formatFixed(stats[i], 3)}`;
  });
}
