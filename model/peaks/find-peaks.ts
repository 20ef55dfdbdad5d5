/** A peak of a class response map, or a labelled point. */
export interface Peak {
  /** Counted from 0, without the background. */
  readonly classIndex: number;
  /** Of the map, from 0. */
  readonly row: number;
  /** Of the map, from 0. */
  readonly column: number;
  /** The response there; for a point its confidence. */
  readonly score: number;
}

/** Class response maps of one image on the host. */
export interface ResponseMaps {
  /** [C, height, width]. */
  readonly values: ArrayLike<number>;
  /** [C, height, width], not 0 where peak stimulation found a peak. */
  readonly peakMap: ArrayLike<number>;
  /** Rows of a map. */
  readonly height: number;
  /** Columns of a map. */
  readonly width: number;
}

/**
 * The peaks of the image's classes: label by label in the order given, row by row, those above `threshold`, or the best
 * one of a class that has none above (PeakResponseMapping.forward, lib/prm/prm_model_gt.py). The original's threshold is
 * 10. In cells of the maps.
 *
 * @param labels class indices, without the background
 * @param options `everyClass`: false leaves a class without a peak above the threshold out (lib/prm/prm_model.py)
 */
export function findPeaks(
  { values, peakMap, height, width }: ResponseMaps,
  labels: Iterable<number>,
  threshold: number,
  { everyClass = true }: { everyClass?: boolean } = {},
): Peak[] {
  const found: Peak[] = [];
  for (const classIndex of labels) {
    const peaks: Peak[] = [];
    for (let p = 0, i = classIndex * height * width; p < height * width; p++, i++) {
      if (peakMap[i] !== 0) peaks.push({ classIndex, row: Math.floor(p / width), column: p % width, score: values[i] });
    }
    const high = peaks.filter(({ score }) => score > threshold);
    if (high.length > 0) found.push(...high);
    else if (everyClass && peaks.length > 0)
      found.push(peaks.reduce((best, peak) => (peak.score > best.score ? peak : best)));
  }
  return found;
}

/**
 * The peaks as label assignment takes them (AGPL_label_assign.py): by ascending score, so that the strongest has the
 * last word, and in image pixels: row = ⌊row · imageHeight / gridHeight⌋. The original's grid is 112 × 112.
 */
export const peaksInImage = (
  peaks: readonly Peak[],
  grid: { readonly width: number; readonly height: number },
  image: { readonly width: number; readonly height: number },
): Peak[] =>
  peaks
    .toSorted((a, b) => a.score - b.score)
    .map((peak) => ({
      ...peak,
      row: Math.floor((peak.row * image.height) / grid.height),
      column: Math.floor((peak.column * image.width) / grid.width),
    }));

/**
 * The peak response map [H, W] of one peak, from the gradient [C, H, W] that excitation back-propagation brought to the
 * image: summed over the channels, negative sums cut off, scaled to a sum of 1. All 0 where there is no evidence.
 */
export function peakResponse(gradient: ArrayLike<number>, channels: number): Float32Array {
  const pixels = gradient.length / channels;
  const map = new Float32Array(pixels);
  for (let i = 0; i < gradient.length; i++) map[i % pixels] += gradient[i];
  let total = 0;
  for (let p = 0; p < pixels; p++) {
    map[p] = Math.max(0, map[p]);
    total += map[p];
  }
  return total > 0 ? map.map((value) => value / total) : map;
}
