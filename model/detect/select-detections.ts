/** From scores of proposals to the detections of an image (CIM's lib/utils/mask_eval_utils.py). */
import type { CocoResult } from '../evaluate/coco-json.ts';
import type { Rle } from '../evaluate/rle.ts';
import { boxNms } from './nms.ts';

/** A proposal that shows an object of a class. */
export interface Detection {
  /** Index of the proposal in its image. */
  readonly proposal: number;
  /** 0 is the first class; there is no background. */
  readonly classIndex: number;
  /** In [0, 1], comparable among images. */
  readonly score: number;
}

/** Which detections remain: 1e-5, 0.3 and 100 unless given, as in the original. */
export interface SelectionOptions {
  /** Scores must be larger. */
  readonly scoreThreshold?: number;
  /** IoU of boxes from which, within a class, the lower score is dropped. */
  readonly nmsThreshold?: number;
  /** Most detections of an image over all classes; more if several share the last score. */
  readonly limit?: number;
}

/**
 * Detections of an image: by class scores above the threshold and suppression by box, then the best of all classes.
 *
 * @param scores [N, C] without background.
 * @param boxes [N, 4]: x1, y1, x2, y2 in pixels, inclusive.
 * @returns by ascending class, then ascending proposal.
 */
export function selectDetections(
  scores: Float32Array,
  boxes: Float32Array,
  { scoreThreshold = 1e-5, nmsThreshold = 0.3, limit = 100 }: SelectionOptions = {},
): Detection[] {
  const count = boxes.length / 4;
  const classes = count === 0 ? 0 : scores.length / count;
  const detections: Detection[] = [];
  for (let classIndex = 0; classIndex < classes; classIndex++) {
    const proposals: number[] = [];
    for (let n = 0; n < count; n++) if (scores[n * classes + classIndex] > scoreThreshold) proposals.push(n);
    const classScores = Float32Array.from(proposals, (n) => scores[n * classes + classIndex]);
    const classBoxes = Float32Array.from(
      { length: 4 * proposals.length },
      (_, i) => boxes[4 * proposals[i >> 2] + (i & 3)],
    );
    for (const kept of boxNms(classBoxes, classScores, nmsThreshold)) {
      detections.push({ proposal: proposals[kept], classIndex, score: classScores[kept] });
    }
  }
  if (detections.length <= limit) return detections;
  const lowest = detections.map(({ score }) => score).sort((a, b) => b - a)[limit - 1];
  return detections.filter(({ score }) => score >= lowest);
}

/**
 * Detections of an image as entries of a COCO result file.
 *
 * @param maskOf the mask of a proposal.
 * @param categoryIds by class index.
 */
export const toCocoResults = (
  imageId: number,
  detections: readonly Detection[],
  maskOf: (proposal: number) => Rle,
  categoryIds: readonly number[],
): CocoResult[] =>
  detections.map(({ proposal, classIndex, score }) => ({
    image_id: imageId,
    category_id: categoryIds[classIndex],
    score,
    segmentation: maskOf(proposal),
  }));

/** For each class the proposal with the best score, the first of equal ones (CorLoc). `scores` [N, C], N ≥ 1. */
export function bestProposals(scores: Float32Array, classes: number): Detection[] {
  return Array.from({ length: classes }, (_, classIndex) => {
    let best = classIndex;
    for (let i = classIndex; i < scores.length; i += classes) if (scores[i] > scores[best]) best = i;
    return { proposal: (best - classIndex) / classes, classIndex, score: scores[best] };
  });
}
