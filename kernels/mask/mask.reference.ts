/** Plain references of the mask kernels. Masks are bytes 0/1, N × pixels. */

/** u32 [N, ⌈pixels/32⌉]: pixel p of a mask is bit p mod 32 of word ⌊p/32⌋. */
export function packMasks(bytes: ArrayLike<number>, n: number, pixels: number): Uint32Array {
  const words = Math.ceil(pixels / 32);
  const packed = new Uint32Array(n * words);
  for (let mask = 0; mask < n; mask++) {
    for (let p = 0; p < pixels; p++) {
      packed[mask * words + (p >>> 5)] |= (bytes[mask * pixels + p] & 1) << (p & 31);
    }
  }
  return packed;
}

/** |a ∧ b| of every two masks, [A, B]. */
export function pairwiseIntersection(a: ArrayLike<number>, b: ArrayLike<number>, pixels: number): Uint32Array {
  const rows = Math.floor(a.length / pixels);
  const columns = Math.floor(b.length / pixels);
  const counts = new Uint32Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      for (let p = 0; p < pixels; p++) counts[i * columns + j] += a[i * pixels + p] & b[j * pixels + p];
    }
  }
  return counts;
}

/** [N, N] each. */
export interface Overlaps {
  /** [N, N], symmetric. */
  readonly iou: Float32Array;
  /** [N, N], the share of mask j that lies inside mask i. */
  readonly containment: Float32Array;
}

/** |i ∧ j|/|i ∨ j| and |i ∧ j|/|j| of every two masks, rounded to f32, then to f16. */
export function pairwiseOverlap(masks: ArrayLike<number>, n: number, pixels: number): Overlaps {
  const common = pairwiseIntersection(masks, masks, pixels);
  const iou = new Float32Array(n * n);
  const containment = new Float32Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const both = common[i * n + j];
      const areaJ = common[j * n + j];
      iou[i * n + j] = roundToHalf(Math.fround(both / (common[i * n + i] + areaJ - both)));
      containment[i * n + j] = roundToHalf(Math.fround(both / areaJ));
    }
  }
  return { iou, containment };
}

/** The nearest f16 of a number in [0, 65504] (ties to even), NaN as it is. */
export function roundToHalf(value: number): number {
  if (!(value > 0)) return value;
  // f16 has 11 significant bits, and multiples of 2^-24 below 2^-14.
  const unit = 2 ** Math.max(Math.floor(Math.log2(value)) - 10, -24);
  const scaled = value / unit;
  const down = Math.floor(scaled);
  const rest = scaled - down;
  return (rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? down + 1 : down) * unit;
}
