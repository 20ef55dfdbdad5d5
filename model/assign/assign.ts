import { ReportedError } from '@cim/runtime';
import { countOneBits, maskAreas, type PackedMasks, wordsPerMask } from '../masks/packed.ts';
import type { Peak } from '../peaks/find-peaks.ts';
import { averageMask } from './average-mask.ts';

/** A peak or point outside the image, or of a class that does not exist. */
export class PeakError extends ReportedError {}

/** What a cluster is made around, in image pixels. */
export type AssignedPeak = Omit<Peak, 'score'>;

/** How proposals join the cluster of a peak; 0.7 and 0.5 unless given. */
export interface AssignOptions {
  /** C, without the background. */
  readonly numClasses: number;
  /** Share of the proposals around a peak that must hold a pixel for it to belong to their average mask. */
  readonly averageThreshold?: number;
  /** IoU with the average mask above which a proposal joins the peak's cluster. */
  readonly iouThreshold?: number;
}

/**
 * Gives every proposal the number of the instance it belongs to (AGPL_label_assign.py, point_level_label_assign.py).
 * For each peak, in the order given, the average of the proposals that hold its pixel is cut at `averageThreshold`, and
 * the proposals whose IoU with it exceeds `iouThreshold` join its cluster, leaving any earlier one. Proposals that no
 * cluster took but that touch an average mask become background. Without any peak all are background.
 *
 * @param peaks in image pixels; for AGPL from `peaksInImage`, for points in the order of the file
 * @returns [N, C+1], column 0 the background: at most one element a row is not 0, the number of the cluster (peak j has
 *   j + 1, the background the number of peaks + 1). A row of zeros is ignored in training.
 * @throws PeakError for a peak outside the image or of no class.
 */
export function assignClusters(
  proposals: PackedMasks,
  peaks: readonly AssignedPeak[],
  { numClasses, averageThreshold = 0.7, iouThreshold = 0.5 }: AssignOptions,
): Float32Array {
  const { words, count, width, height } = proposals;
  const stride = wordsPerMask(proposals);
  const columns = numClasses + 1;
  const clusters = new Float32Array(count * columns);
  const touching = new Uint8Array(count).fill(peaks.length === 0 ? 1 : 0);
  const areas = maskAreas(proposals);
  // The original keeps IoU in float32.
  const limit = Math.fround(iouThreshold);

  peaks.forEach(({ classIndex, row, column }, j) => {
    if (!(row >= 0 && row < height && column >= 0 && column < width)) {
      throw new PeakError(
        `Peak ${j + 1} at row ${row}, column ${column} lies outside the image of ${width}×${height}.`,
      );
    }
    if (!(classIndex >= 0 && classIndex < numClasses)) {
      throw new PeakError(`Peak ${j + 1} has class ${classIndex}; there are classes 0 to ${numClasses - 1}.`);
    }
    const average = averageMask(proposals, row * width + column, averageThreshold);
    let averageArea = 0;
    for (let w = 0; w < stride; w++) averageArea += countOneBits(average[w]);

    for (let n = 0; n < count; n++) {
      let intersection = 0;
      for (let w = 0, i = n * stride; w < stride; w++, i++) intersection += countOneBits(words[i] & average[w]);
      const iou = Math.fround(intersection / (areas[n] + averageArea - intersection));
      if (iou > limit) {
        clusters.fill(0, n * columns, (n + 1) * columns);
        clusters[n * columns + classIndex + 1] = j + 1;
      } else if (iou > 0) {
        touching[n] = 1;
      }
    }
  });

  for (let n = 0; n < count; n++) {
    if (touching[n] === 0) continue;
    const row = clusters.subarray(n * columns, (n + 1) * columns);
    if (row.every((cluster) => cluster === 0)) row[0] = peaks.length + 1;
  }
  return clusters;
}
