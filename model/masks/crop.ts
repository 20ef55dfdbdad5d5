import { REGION_SIZE } from '../region/mask-fuse.ts';
import { type PackedMasks, wordsPerMask } from './packed.ts';

/** x1, y1, x2, y2 in pixels; x2 and y2 are one behind the last column and row. */
export type ExclusiveBox = readonly [x1: number, y1: number, x2: number, y2: number];

/** The tight box of a mask of bytes [height, width], null when the mask is empty. */
export function maskBox(mask: ArrayLike<number>, width: number, height: number): ExclusiveBox | null {
  let [x1, y1, x2, y2] = [width, height, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (mask[y * width + x] === 0) continue;
      x1 = Math.min(x1, x);
      x2 = Math.max(x2, x + 1);
      y1 = Math.min(y1, y);
      y2 = y + 1;
    }
  }
  return y2 > 0 ? [x1, y1, x2, y2] : null;
}

/** The tight box of mask `index` of packed ones, null when it is empty. */
export function packedMaskBox(masks: PackedMasks, index: number): ExclusiveBox | null {
  const { words, width, height } = masks;
  const stride = wordsPerMask(masks);
  let [x1, y1, x2, y2] = [width, height, 0, 0];
  for (let w = 0; w < stride; w++) {
    const word = words[index * stride + w];
    if (word === 0) continue;
    const first = 32 * w + (31 - Math.clz32(word & -word));
    const last = 32 * w + (31 - Math.clz32(word));
    const [top, bottom] = [Math.floor(first / width), Math.floor(last / width)];
    y1 = Math.min(y1, top);
    y2 = bottom + 1;
    // A word that holds pixels of several rows is rare but in narrow images.
    for (let p = first; p <= last; p = top === bottom && p < last ? last : p + 1) {
      if (((word >>> (p & 31)) & 1) === 0) continue;
      x1 = Math.min(x1, p % width);
      x2 = Math.max(x2, (p % width) + 1);
    }
  }
  return y2 > 0 ? [x1, y1, x2, y2] : null;
}

/**
 * The source index of each of 7 samples along `length` pixels, as Pillow's NEAREST resize finds it: the position starts
 * at half a step and the step is added in f64, so the rounding errors accumulate. The closed form ⌊(i + ½)·length/7⌋
 * differs for lengths such as 2, 4 and 64.
 */
function nearestIndices(length: number): number[] {
  const step = length / REGION_SIZE;
  const indices: number[] = [];
  for (let i = 0, position = step * 0.5; i < REGION_SIZE; i++, position += step) indices.push(Math.trunc(position));
  return indices;
}

/** The crop of a mask of bytes to `box`, resized to 7×7 bytes 0 and 1 by Pillow's NEAREST (generate_7_7_voc.py). */
export const cropMask = (mask: ArrayLike<number>, width: number, box: ExclusiveBox): Uint8Array =>
  sampleCrop((pixel) => mask[pixel] !== 0, width, box);

/** {@link cropMask} of mask `index` of packed ones. */
export function cropPackedMask(masks: PackedMasks, index: number, box: ExclusiveBox): Uint8Array {
  const first = index * wordsPerMask(masks);
  const isInside = (pixel: number): boolean => ((masks.words[first + (pixel >>> 5)] >>> (pixel & 31)) & 1) === 1;
  return sampleCrop(isInside, masks.width, box);
}

function sampleCrop(isInside: (pixel: number) => boolean, width: number, box: ExclusiveBox): Uint8Array {
  const [x1, y1, x2, y2] = box;
  const columns = nearestIndices(x2 - x1);
  const rows = nearestIndices(y2 - y1);
  const crop = new Uint8Array(REGION_SIZE ** 2);
  for (let i = 0; i < crop.length; i++) {
    const y = y1 + rows[Math.floor(i / REGION_SIZE)];
    crop[i] = isInside(y * width + x1 + columns[i % REGION_SIZE]) ? 1 : 0;
  }
  return crop;
}

/** Along one axis: the pixels of 7 equal cells, whose borders may cut pixels. */
interface Cells {
  /** The first pixel of each cell. */
  readonly first: readonly number[];
  /** The covered shares of its pixels, which add up to 1. */
  readonly shares: readonly Float64Array[];
}

const cellsByLength = new Map<number, Cells>();

function areaCells(length: number): Cells {
  let cells = cellsByLength.get(length);
  if (!cells) cellsByLength.set(length, (cells = cutCells(length)));
  return cells;
}

function cutCells(length: number): Cells {
  const first: number[] = [];
  const shares: Float64Array[] = [];
  for (let i = 0; i < REGION_SIZE; i++) {
    const begin = (i * length) / REGION_SIZE;
    const end = ((i + 1) * length) / REGION_SIZE;
    const from = Math.floor(begin);
    first.push(from);
    shares.push(
      Float64Array.from(
        { length: Math.ceil(end) - from },
        (_, p) => (Math.min(from + p + 1, end) - Math.max(from + p, begin)) / (end - begin),
      ),
    );
  }
  return { first, shares };
}

/**
 * The covered share, 0 to 1, of each of the 7×7 equal cells of `box`, from mask `index` of packed ones. Unlike
 * {@link cropMask} no pixel is passed over.
 */
export function cropPackedMaskArea(masks: PackedMasks, index: number, box: ExclusiveBox): Float32Array {
  const { words, width } = masks;
  const base = 32 * index * wordsPerMask(masks);
  const [x1, y1, x2, y2] = box;
  const columns = areaCells(x2 - x1);
  const rows = areaCells(y2 - y1);
  const covered = new Float32Array(REGION_SIZE ** 2);
  for (let i = 0; i < covered.length; i++) {
    const [row, column] = [Math.floor(i / REGION_SIZE), i % REGION_SIZE];
    const [heights, widths] = [rows.shares[row], columns.shares[column]];
    let sum = 0;
    for (let y = 0; y < heights.length; y++) {
      const height = heights[y];
      const line = base + (y1 + rows.first[row] + y) * width + x1 + columns.first[column];
      for (let x = 0; x < widths.length; x++) {
        const bit = line + x;
        if (((words[bit >>> 5] >>> (bit & 31)) & 1) === 1) sum += height * widths[x];
      }
    }
    covered[i] = sum;
  }
  return covered;
}
