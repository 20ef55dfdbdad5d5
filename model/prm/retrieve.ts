/**
 * Instance masks from peaks: each peak takes the proposal that fits its response best, then masks that overlap are
 * suppressed (Zhou et al., CVPR 2018, section 3.3; PeakResponseMapping.instance_seg and instance_nms of the PRM program).
 */
import { countOneBits, type PackedMasks, packMasks, scaledMask, unpackMask, wordsPerMask } from '../masks/index.ts';
import { resample, type Size } from './resample.ts';

/** Weights and limits of the retrieval; docs/prm.md names the options of `cim prm retrieve` that set them. */
export interface RetrievalOptions {
  /** α: weight of the instance-aware term, the peak's response inside the mask. */
  readonly balance: number;
  /** β: what a pixel of the mask costs where the class does not respond, the class-aware term. */
  readonly penalty: number;
  /** There the class's response is below this multiple of its mean. */
  readonly backgroundFactor: number;
  /** Side of the square that draws the contour for the boundary-aware term, pixels of the canvas, odd. */
  readonly contourWidth: number;
  /** Proposals of a smaller share of the canvas, or of this or a larger one, are left out. */
  readonly areaLimits: readonly [least: number, most: number];
  /** So many proposals are looked at, the first ones. */
  readonly proposals: number;
  /** Mask IoU from which the weaker of two instances is suppressed. */
  readonly nmsThreshold: number;
  /** Instances compete with those of their class, or with all, as in the PRM program. */
  readonly nmsScope: 'class' | 'all';
}

/** The settings of the PRM program's demonstration. */
export const RETRIEVAL: RetrievalOptions = {
  balance: 0.8,
  penalty: 1e-5,
  backgroundFactor: 0.95,
  contourWidth: 5,
  areaLimits: [0.00002, 0.85],
  proposals: 100,
  nmsThreshold: 0.3,
  nmsScope: 'class',
};

/** What the classifier sees in one image. */
export interface VisualCues {
  /** Size of the peak responses: the canvas. */
  readonly canvas: Size;
  /** A peak's class and its response [canvas.height, canvas.width], whose sum is 1, or 0 where it has none. */
  readonly peaks: readonly { readonly classIndex: number; readonly response: Float32Array }[];
  /** The response map of a class, at any size. */
  readonly classMap: (classIndex: number) => Size & { readonly values: Float32Array };
}

/** A proposal that a peak took. */
export interface RetrievedInstance {
  /** From 0; there is no background. */
  readonly classIndex: number;
  /** Of the retrieval; comparable among the instances of a program run, not a probability. */
  readonly score: number;
  /** The proposal whose mask it is. */
  readonly proposal: number;
  /** The peak that took it, then those that it suppressed: their responses belong to it. */
  readonly peaks: readonly number[];
}

/**
 * Retrieves the instances of an image, by falling score. A mask S scores α·Σ_S R + Σ_contour R − β·|S outside the class|
 * for a peak's response R; of equal ones the first proposal wins. A peak without a response takes none.
 *
 * @param proposals at any size: they are brought to the canvas by nearest pixels.
 */
export function retrieveInstances(
  cues: VisualCues,
  proposals: PackedMasks,
  options: RetrievalOptions = RETRIEVAL,
): RetrievedInstance[] {
  const { canvas, peaks } = cues;
  const pixels = canvas.width * canvas.height;
  const backgrounds = new Map(
    peaks.map(({ classIndex }) => [
      classIndex,
      backgroundOf(cues.classMap(classIndex), canvas, options.backgroundFactor),
    ]),
  );
  const best = peaks.map(({ response }) => ({
    score: response.some((value) => value > 0) ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY,
    proposal: -1,
  }));
  const [least, most] = options.areaLimits;
  for (let proposal = 0; proposal < Math.min(proposals.count, options.proposals); proposal++) {
    const mask = scaledMask(unpackMask(proposals, proposal), proposals, canvas);
    const area = mask.reduce((sum, inside) => sum + inside, 0);
    if (area >= most * pixels || area < least * pixels) continue;
    const contour = contourOf(mask, canvas, options.contourWidth);
    peaks.forEach(({ classIndex, response }, i) => {
      const score = scoreMask({ mask, contour, response, background: backgrounds.get(classIndex)! }, options);
      if (score > best[i].score) best[i] = { score, proposal };
    });
  }
  const found = best
    .map(({ score, proposal }, i) => ({ classIndex: peaks[i].classIndex, score, proposal, peaks: [i] }))
    .filter(({ proposal }) => proposal >= 0)
    .sort((a, b) => b.score - a.score);
  return suppress(found, maskOverlaps(found, proposals, canvas), options);
}

/** The three terms of a mask's score for one peak. All arrays are of the canvas; masks hold 0 and 1. */
export function scoreMask(
  {
    mask,
    contour,
    response,
    background,
  }: { mask: Uint8Array; contour: Uint8Array; response: Float32Array; background: Uint8Array },
  { balance, penalty }: Pick<RetrievalOptions, 'balance' | 'penalty'>,
): number {
  let inside = 0;
  let boundary = 0;
  let outside = 0;
  for (let i = 0; i < mask.length; i++) {
    if (mask[i] !== 0) {
      inside += response[i];
      outside += background[i];
    }
    if (contour[i] !== 0) boundary += response[i];
  }
  return balance * inside + boundary - penalty * outside;
}

/**
 * 1 where a class does not respond: its map, stretched to 0 … 255 and resized bicubically, is below `factor` times its mean
 * (scipy.misc.imresize).
 */
export function backgroundOf(map: Size & { readonly values: Float32Array }, canvas: Size, factor: number): Uint8Array {
  const least = map.values.reduce((a, b) => Math.min(a, b), Infinity);
  const range = map.values.reduce((a, b) => Math.max(a, b), -Infinity) - least;
  const bytes = Uint8Array.from(map.values, (value) => ((value - least) * 255) / (range || 1) + 0.5);
  const response = resample(bytes, map, canvas, { channels: 1, filter: 'bicubic' });
  const threshold = (factor * response.reduce((a, b) => a + b, 0)) / response.length;
  return response.map((value) => (value < threshold ? 1 : 0));
}

/** 1 where the square of `width` pixels around a pixel, cut at the borders, holds pixels in and out of the mask: dilation less erosion. */
export function contourOf(mask: Uint8Array, size: Size, width: number): Uint8Array {
  const reach = (width - 1) / 2;
  const extent = (at: number, length: number): number => Math.min(length, at + reach + 1) - Math.max(0, at - reach);
  const rows = slidingSums(mask, size, reach, 'row');
  const counts = slidingSums(rows, size, reach, 'column');
  const contour = new Uint8Array(mask.length);
  for (let y = 0, i = 0; y < size.height; y++) {
    const tall = extent(y, size.height);
    for (let x = 0; x < size.width; x++, i++) {
      contour[i] = counts[i] > 0 && counts[i] < tall * extent(x, size.width) ? 1 : 0;
    }
  }
  return contour;
}

/** Sums over the `reach` neighbours to either side along rows or columns. */
function slidingSums(
  values: Uint8Array | Uint16Array,
  { width, height }: Size,
  reach: number,
  along: 'row' | 'column',
): Uint16Array {
  const [lines, length, lineStride, step] = along === 'row' ? [height, width, width, 1] : [width, height, 1, width];
  const sums = new Uint16Array(values.length);
  for (let line = 0; line < lines; line++) {
    const first = line * lineStride;
    let sum = 0;
    for (let i = 0; i < Math.min(reach, length); i++) sum += values[first + i * step];
    for (let i = 0; i < length; i++) {
      if (i + reach < length) sum += values[first + (i + reach) * step];
      if (i - reach > 0) sum -= values[first + (i - reach - 1) * step];
      sums[first + i * step] = sum;
    }
  }
  return sums;
}

/** Mask IoU of two instances, by their places in the list, on the canvas. */
function maskOverlaps(
  found: readonly { readonly proposal: number }[],
  proposals: PackedMasks,
  canvas: Size,
): (a: number, b: number) => number {
  const { width, height } = canvas;
  const packed = found.map(
    ({ proposal }) => packMasks(scaledMask(unpackMask(proposals, proposal), proposals, canvas), 1, width, height).words,
  );
  return (a, b) => {
    let intersection = 0;
    let union = 0;
    for (let w = 0; w < wordsPerMask(canvas); w++) {
      intersection += countOneBits(packed[a][w] & packed[b][w]);
      union += countOneBits(packed[a][w] | packed[b][w]);
    }
    return union === 0 ? 0 : intersection / union;
  };
}

/** Keeps the best instance and gives it the peaks of those that overlap it, again and again. @param found by falling score */
function suppress(
  found: readonly RetrievedInstance[],
  overlap: (a: number, b: number) => number,
  { nmsThreshold, nmsScope }: Pick<RetrievalOptions, 'nmsThreshold' | 'nmsScope'>,
): RetrievedInstance[] {
  const suppressed = new Set<number>();
  return found.flatMap((instance, i) => {
    if (suppressed.has(i)) return [];
    const peaks = [...instance.peaks];
    for (let j = i + 1; j < found.length; j++) {
      const competes = nmsScope === 'all' || found[j].classIndex === instance.classIndex;
      if (suppressed.has(j) || !competes || overlap(i, j) < nmsThreshold) continue;
      suppressed.add(j);
      peaks.push(...found[j].peaks);
    }
    return [{ ...instance, peaks }];
  });
}
