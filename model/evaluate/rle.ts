/**
 * COCO run-length encoded masks: the codec and the set operations of pycocotools' maskApi, with the same results.
 *
 * A mask of `height` × `width` pixels is scanned column by column; the runs alternate between background and object
 * and begin with background (its length may be 0). Everything works on the runs; only the mask functions touch pixels.
 */
import { ReportedError } from '@cim/runtime/errors';

/** A mask in COCO's compressed form, as result files carry it. `size` is [height, width]. */
export interface Rle {
  /** Height and width, pixels. */
  readonly size: readonly [number, number];
  /** Run lengths as pycocotools packs them into printable characters. */
  readonly counts: string;
}

/** The same with the plain run lengths, as COCO annotations carry crowd regions. */
export interface UncompressedRle {
  /** Height and width, pixels. */
  readonly size: readonly [number, number];
  /** Lengths of the runs, column by column, background first. */
  readonly counts: readonly number[];
}

/** The parsed form on which all mask operations work. The counts sum to height · width. */
export interface Runs {
  /** Rows, pixels. */
  readonly height: number;
  /** Columns, pixels. */
  readonly width: number;
  /** Lengths of the runs, column by column, background first. */
  readonly counts: Uint32Array;
}

/** [x, y, width, height] in pixels, top left inclusive. */
export type XywhBox = readonly [number, number, number, number];

/** A mask whose encoding is broken, or masks of different sizes where one size is needed. */
export class MaskError extends ReportedError {}

/**
 * Runs of a binary mask: `mask` row-major [height, width], any non-zero byte is object.
 * @throws MaskError when the mask has another number of pixels.
 */
export function runsOfMask(mask: Uint8Array, height: number, width: number): Runs {
  if (mask.length !== height * width) {
    throw new MaskError(
      `A mask of ${height} × ${width} pixels has ${mask.length} values.`,
      'Pass one byte for each pixel.',
    );
  }
  const counts: number[] = [];
  let value = 0;
  let run = 0;
  for (let x = 0; x < width; x++) {
    for (let y = 0, i = x; y < height; y++, i += width) {
      const pixel = mask[i] === 0 ? 0 : 1;
      if (pixel !== value) {
        counts.push(run);
        run = 0;
        value = pixel;
      }
      run++;
    }
  }
  counts.push(run);
  return { height, width, counts: Uint32Array.from(counts) };
}

/** The mask of some runs, row-major [height, width] of 0 and 1. */
export function maskOfRuns({ height, width, counts }: Runs): Uint8Array {
  const mask = new Uint8Array(height * width);
  let position = 0;
  for (let run = 0; run < counts.length; run++) {
    const end = position + counts[run];
    if (run % 2 === 1) {
      for (let x = Math.floor(position / height), y = position % height; position < end; position++) {
        mask[y * width + x] = 1;
        if (++y === height) {
          y = 0;
          x++;
        }
      }
    }
    position = end;
  }
  return mask;
}

/** Compresses a binary mask, row-major [height, width]. */
export const encodeRle = (mask: Uint8Array, height: number, width: number): Rle =>
  compressRuns(runsOfMask(mask, height, width));

/** The pixels of a mask, row-major [height, width] of 0 and 1. */
export const decodeRle = (rle: Rle | UncompressedRle): Uint8Array => maskOfRuns(parseRle(rle));

/** COCO's compressed form of some runs: from the fourth on, each count is written as its difference to the last but one. */
export function compressRuns({ height, width, counts }: Runs): Rle {
  const characters: string[] = [];
  for (let run = 0; run < counts.length; run++) {
    let value = run > 2 ? counts[run] - counts[run - 2] : counts[run];
    // Five bits a character, lowest first; bit 5 says that more follow; the top bit of the last is the sign.
    for (let more = true; more; ) {
      const bits = value & 0x1f;
      value >>= 5;
      more = bits & 0x10 ? value !== -1 : value !== 0;
      characters.push(String.fromCharCode((more ? bits | 0x20 : bits) + 48));
    }
  }
  return { size: [height, width], counts: characters.join('') };
}

/** The plain counts of some runs. */
export const uncompressRuns = ({ height, width, counts }: Runs): UncompressedRle => ({
  size: [height, width],
  counts: Array.from(counts),
});

// Where a compressed string is parsed before its number of runs is known.
let scratch = new Uint32Array(1024);

/**
 * Reads either form of an encoded mask.
 * @throws MaskError when the counts are damaged or do not fill the mask exactly.
 */
export function parseRle({ size, counts }: Rle | UncompressedRle): Runs {
  const [height, width] = size;
  if (typeof counts !== 'string') {
    const runs = Uint32Array.from(counts);
    checkTotal(sumFrom(runs, runs.length, 0) + sumFrom(runs, runs.length, 1), size);
    return { height, width, counts: runs };
  }
  const runs = parseCounts(counts);
  checkTotal(sumFrom(scratch, runs, 0) + sumFrom(scratch, runs, 1), size);
  return { height, width, counts: scratch.slice(0, runs) };
}

/**
 * Number of object pixels of an encoded mask.
 * @throws MaskError when the counts are damaged or do not fill the mask exactly.
 */
export function rleArea({ size, counts }: Rle | UncompressedRle): number {
  const runs = typeof counts === 'string' ? parseCounts(counts) : counts.length;
  const values = typeof counts === 'string' ? scratch : counts;
  const area = sumFrom(values, runs, 1);
  checkTotal(area + sumFrom(values, runs, 0), size);
  return area;
}

function sumFrom(counts: ArrayLike<number>, length: number, first: 0 | 1): number {
  let sum = 0;
  for (let run = first; run < length; run += 2) sum += counts[run];
  return sum;
}

function checkTotal(total: number, [height, width]: readonly [number, number]): void {
  if (total === height * width) return;
  throw new MaskError(
    `The run lengths of a mask of ${height} × ${width} pixels sum to ${total}, not ${height * width}.`,
    'The mask was cut off or its size is that of another image: write the file again.',
  );
}

/** Parses a compressed string into `scratch` and returns the number of runs. */
function parseCounts(text: string): number {
  if (scratch.length < text.length) scratch = new Uint32Array(2 * text.length);
  let runs = 0;
  for (let position = 0; position < text.length; runs++) {
    let value = 0;
    for (let shift = 0, more = true; more; shift += 5) {
      const bits = text.charCodeAt(position++) - 48;
      if (!(bits >= 0 && bits < 64 && shift < 32)) {
        throw new MaskError(
          `"${text.slice(0, 40)}" is not a compressed mask: see character ${position}.`,
          'Write the file again.',
        );
      }
      value |= (bits & 0x1f) << shift;
      more = (bits & 0x20) !== 0;
      if (!more && bits & 0x10 && shift < 27) value |= -1 << (shift + 5);
    }
    scratch[runs] = runs > 2 ? value + scratch[runs - 2] : value;
  }
  return runs;
}

/** Number of object pixels. */
export function runsArea({ counts }: Runs): number {
  let area = 0;
  for (let run = 1; run < counts.length; run += 2) area += counts[run];
  return area;
}

/** The smallest box around the object pixels, zeros for an empty mask (pycocotools' toBbox). */
export function runsBox({ height, width, counts }: Runs): [number, number, number, number] {
  const pairs = counts.length - (counts.length % 2);
  if (pairs === 0) return [0, 0, 0, 0];
  let [left, top, right, bottom] = [width, height, 0, 0];
  let end = 0;
  let firstColumn = 0;
  for (let run = 0; run < pairs; run++) {
    end += counts[run];
    // First pixel of the object run, or its last: unsigned, as in C, for an object run of length 0 at the start.
    const pixel = (end - (run % 2)) >>> 0;
    const x = Math.floor(pixel / height);
    const y = pixel - x * height;
    if (run % 2 === 0) {
      firstColumn = x;
    } else if (firstColumn < x) {
      // A run over a column's end touches the lower and the upper border.
      top = 0;
      bottom = height - 1;
    }
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  }
  return [left, top, right - left + 1, bottom - top + 1];
}

/**
 * Union or intersection of masks of one size.
 * @throws MaskError without masks, or when their sizes differ.
 */
export function mergeRuns(masks: readonly Runs[], operation: 'union' | 'intersection'): Runs {
  if (masks.length === 0) throw new MaskError('No masks to merge.', 'Pass at least one.');
  return masks.reduce((merged, mask) => mergeTwo(merged, mask, operation === 'intersection'));
}

function mergeTwo(a: Runs, b: Runs, intersect: boolean): Runs {
  if (a.height !== b.height || a.width !== b.width) {
    throw new MaskError(
      `Masks of ${a.height} × ${a.width} and ${b.height} × ${b.width} pixels cannot be merged.`,
      'Merge masks of the same image only.',
    );
  }
  const merged = new Uint32Array(a.counts.length + b.counts.length);
  let runs = 0;
  let length = 0;
  let [nextA, nextB] = [1, 1];
  let [restA, restB] = [a.counts[0], b.counts[0]];
  let [inA, inB, inside] = [false, false, false];
  for (let more = true; more; ) {
    const step = Math.min(restA, restB);
    length += step;
    restA -= step;
    restB -= step;
    if (restA === 0 && nextA < a.counts.length) {
      restA = a.counts[nextA++];
      inA = !inA;
    }
    if (restB === 0 && nextB < b.counts.length) {
      restB = b.counts[nextB++];
      inB = !inB;
    }
    more = restA + restB > 0 || nextA < a.counts.length || nextB < b.counts.length;
    const was = inside;
    inside = intersect ? inA && inB : inA || inB;
    if (inside !== was || !more) {
      merged[runs++] = length;
      length = 0;
    }
  }
  return { height: a.height, width: a.width, counts: merged.slice(0, runs) };
}

/** Number of pixels that are object in both masks of one size. */
export function intersectionArea({ counts: a }: Runs, { counts: b }: Runs): number {
  let area = 0;
  let [runA, runB] = [1, 1];
  let [startA, startB] = [a[0], b[0]];
  while (runA < a.length && runB < b.length) {
    const endA = startA + a[runA];
    const endB = startB + b[runB];
    const overlap = Math.min(endA, endB) - Math.max(startA, startB);
    if (overlap > 0) area += overlap;
    if (endA <= endB) {
      startA = endA + a[runA + 1];
      runA += 2;
    } else {
      startB = endB + b[runB + 1];
      runB += 2;
    }
  }
  return area;
}
