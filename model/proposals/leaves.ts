import { type ImageSize, ORIENTATIONS } from '@cim/kernels/proposal/proposal';
import type { Partition } from './connectivity.ts';
import type { PixelMaps } from './superpixels.ts';

/** Histogram bins of one Lab channel. */
const BINS = 16;
/** Values of one region's colour histogram: L, then a, then b. */
export const HISTOGRAM = 3 * BINS;
/** Lab below and above which values fall in the first and last bin. */
const RANGES = [
  [0, 100],
  [-70, 70],
  [-70, 70],
] as const;

/** Sums over the pixels of each leaf, so that those of a union are sums again. */
export interface Leaves {
  /** Leaves of the image. */
  readonly count: number;
  /** Pixels of the image. */
  readonly pixels: number;
  /** Pixel sides along the image's border. */
  readonly perimeter: number;
  /** Pixels [count]. */
  readonly area: Float64Array;
  /** Sums of L, a, b [count, 3]. */
  readonly colour: Float64Array;
  /** Pixels per colour bin [count, 48]. */
  readonly histogram: Float64Array;
  /** |∇L| per direction [count, 8]. */
  readonly texture: Float64Array;
  /** x1, y1 and exclusive x2, y2 [count, 4]. */
  readonly box: Int32Array;
  /** Pixel sides on the image's border [count]. */
  readonly border: Float64Array;
  /** Which leaves touch. */
  readonly boundaries: Boundaries;
}

/** Pairs of adjacent leaves. */
export interface Boundaries {
  /** Pairs. */
  readonly count: number;
  /** The leaf of the smaller number. */
  readonly first: Int32Array;
  /** The leaf of the larger number. */
  readonly second: Int32Array;
  /** Pixel sides between them. */
  readonly length: Float64Array;
  /** Sum over those sides of the stronger of the two pixels' edge strengths. */
  readonly edge: Float64Array;
}

/** Sums everything that merging and ranking need, over the pixels of each leaf. */
export function describeLeaves(maps: PixelMaps, { labels, leafCount }: Partition): Leaves {
  const { width, height, lab, gradient, orientation } = maps;
  const n = width * height;
  const area = new Float64Array(leafCount);
  const colour = new Float64Array(3 * leafCount);
  const histogram = new Float64Array(HISTOGRAM * leafCount);
  const texture = new Float64Array(ORIENTATIONS * leafCount);
  const border = new Float64Array(leafCount);
  const box = labelBoxes({ labels, leafCount }, maps);

  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const leaf = labels[i];
      area[leaf]++;
      for (let c = 0; c < 3; c++) {
        const value = lab[c * n + i];
        colour[3 * leaf + c] += value;
        const bin = Math.floor(((value - RANGES[c][0]) / (RANGES[c][1] - RANGES[c][0])) * BINS);
        histogram[HISTOGRAM * leaf + BINS * c + Math.min(Math.max(bin, 0), BINS - 1)]++;
      }
      texture[ORIENTATIONS * leaf + orientation[i]] += gradient[i];
      border[leaf] += Number(x === 0) + Number(x === width - 1) + Number(y === 0) + Number(y === height - 1);
    }
  }
  const boundaries = findBoundaries(maps, labels);
  return {
    count: leafCount,
    pixels: n,
    perimeter: 2 * (width + height),
    area,
    colour,
    histogram,
    texture,
    box,
    border,
    boundaries,
  };
}

/** Tight boxes of the leaves [leafCount, 4]: x1, y1, and exclusive x2, y2. */
export function labelBoxes({ labels, leafCount }: Partition, { width, height }: ImageSize): Int32Array {
  const box = new Int32Array(4 * leafCount);
  for (let leaf = 0; leaf < leafCount; leaf++) box.set([width, height, 0, 0], 4 * leaf);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const o = 4 * labels[i];
      if (x < box[o]) box[o] = x;
      if (y < box[o + 1]) box[o + 1] = y;
      if (x >= box[o + 2]) box[o + 2] = x + 1;
      if (y >= box[o + 3]) box[o + 3] = y + 1;
    }
  }
  return box;
}

function findBoundaries({ width, height, edge }: PixelMaps, labels: Uint16Array): Boundaries {
  const index = new Map<number, number>();
  const first: number[] = [];
  const second: number[] = [];
  const length: number[] = [];
  const sum: number[] = [];
  const side = (i: number, j: number): void => {
    if (labels[i] === labels[j]) return;
    const low = Math.min(labels[i], labels[j]);
    const high = Math.max(labels[i], labels[j]);
    const key = low * 65536 + high;
    let at = index.get(key);
    if (at === undefined) {
      at = first.length;
      index.set(key, at);
      first.push(low);
      second.push(high);
      length.push(0);
      sum.push(0);
    }
    length[at]++;
    sum[at] += Math.max(edge[i], edge[j]);
  };
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (x + 1 < width) side(i, i + 1);
      if (y + 1 < height) side(i, i + width);
    }
  }
  return {
    count: first.length,
    first: Int32Array.from(first),
    second: Int32Array.from(second),
    length: Float64Array.from(length),
    edge: Float64Array.from(sum),
  };
}
