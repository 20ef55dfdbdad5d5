/** Plain references of the peak kernels. */
import type { PeakFilter } from './peak.ts';

/** Maps of height × width cells, and what is a peak in them. */
export interface PeakMaps {
  /** B·C. */
  readonly maps: number;
  /** Rows of a map. */
  readonly height: number;
  /** Columns of a map. */
  readonly width: number;
  /** Side of the square in which a peak is the maximum, odd. */
  readonly window: number;
  /** What a peak must reach. */
  readonly filter: PeakFilter;
}

/** peakMap [maps, height, width], 1 at peaks, and the mean [maps] of each map's peaks, NaN without one. */
export function peakStimulation(
  x: ArrayLike<number>,
  { maps, height, width, window, filter }: PeakMaps,
): { peakMap: Uint32Array; aggregation: Float64Array } {
  const n = height * width;
  const reach = (window - 1) / 2;
  const peakMap = new Uint32Array(maps * n);
  const aggregation = new Float64Array(maps);
  for (let map = 0; map < maps; map++) {
    const values = Array.from({ length: n }, (_, p) => x[map * n + p]);
    const least = threshold(values, filter);
    let [sum, count] = [0, 0];
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        let [first, greatest] = [-1, -Infinity];
        for (let qy = Math.max(0, row - reach); qy <= Math.min(height - 1, row + reach); qy++) {
          for (let qx = Math.max(0, column - reach); qx <= Math.min(width - 1, column + reach); qx++) {
            if (values[qy * width + qx] > greatest) [first, greatest] = [qy * width + qx, values[qy * width + qx]];
          }
        }
        if (first !== row * width + column || !(greatest >= least)) continue;
        peakMap[map * n + first] = 1;
        sum += greatest;
        count++;
      }
    }
    aggregation[map] = sum / count;
  }
  return { peakMap, aggregation };
}

function threshold(values: readonly number[], filter: PeakFilter): number {
  if (filter === null) return -Infinity;
  if (typeof filter === 'number') return filter;
  if (filter === 'max') return Math.max(...values);
  if (filter === 'mean') return Math.fround(values.reduce((sum, v) => sum + v, 0) / values.length);
  return values.toSorted((a, b) => a - b)[(values.length - 1) >> 1];
}
