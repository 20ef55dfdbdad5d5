/** Overlaps of masks and boxes as pycocotools' maskApi (rleIou, bbIou) computes them. */
import { intersectionArea, type Runs, runsArea, runsBox, type XywhBox } from './rle.ts';

/**
 * IoU of two boxes in continuous coordinates (no +1). Against a crowd region the denominator is the detection's area.
 * Touching boxes give 0.
 */
export function boxIou(detection: XywhBox, truth: XywhBox, isCrowd = false): number {
  const width = Math.min(detection[2] + detection[0], truth[2] + truth[0]) - Math.max(detection[0], truth[0]);
  if (width <= 0) return 0;
  const height = Math.min(detection[3] + detection[1], truth[3] + truth[1]) - Math.max(detection[1], truth[1]);
  if (height <= 0) return 0;
  const intersection = width * height;
  const area = detection[2] * detection[3];
  return intersection / (isCrowd ? area : area + truth[2] * truth[3] - intersection);
}

/** A mask with what is needed again and again to compare it. */
export interface MeasuredMask {
  /** The mask itself. */
  readonly runs: Runs;
  /** Object pixels. */
  readonly area: number;
  /** Around the object pixels. */
  readonly box: XywhBox;
}

/** Takes area and box of a mask. */
export const measureMask = (runs: Runs): MeasuredMask => ({ runs, area: runsArea(runs), box: runsBox(runs) });

/**
 * IoU of two masks; masks whose boxes do not meet are told apart without looking at the runs. Against a crowd region
 * the denominator is the detection's area. Masks of different sizes whose boxes meet give −1, two empty ones 0.
 */
export function maskIou(detection: MeasuredMask, truth: MeasuredMask, isCrowd = false): number {
  if (!(boxIou(detection.box, truth.box, isCrowd) > 0)) return 0;
  if (detection.runs.height !== truth.runs.height || detection.runs.width !== truth.runs.width) return -1;
  const intersection = intersectionArea(detection.runs, truth.runs);
  if (intersection === 0) return 0;
  return intersection / (isCrowd ? detection.area : detection.area + truth.area - intersection);
}
