/** Greedy suppression of overlapping boxes, bit for bit as CIM's lib/utils/cython_nms.pyx: float32, inclusive corners. */

/**
 * Keeps the best box and drops those that overlap it with IoU ≥ `threshold`, again and again. Of equal scores the later box
 * comes first.
 *
 * @param boxes [N, 4]: x1, y1, x2, y2 in pixels; a box is x2 − x1 + 1 wide.
 * @param scores [N].
 * @returns indices of the kept boxes, ascending.
 */
export function boxNms(boxes: Float32Array, scores: Float32Array, threshold: number): number[] {
  const count = scores.length;
  const limit = Math.fround(threshold);
  const order = Uint32Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a] || b - a);
  const areas = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    areas[i] = extent(boxes[4 * i], boxes[4 * i + 2]) * extent(boxes[4 * i + 1], boxes[4 * i + 3]);
  }
  const suppressed = new Uint8Array(count);
  for (let first = 0; first < count; first++) {
    const i = order[first];
    if (suppressed[i]) continue;
    for (let next = first + 1; next < count; next++) {
      const j = order[next];
      if (!suppressed[j] && iou(boxes, areas, i, j) >= limit) suppressed[j] = 1;
    }
  }
  return [...scores.keys()].filter((i) => !suppressed[i]);
}

/** Pixels from `start` to `end` inclusive, rounded after each operation as float32 arithmetic does. */
const extent = (start: number, end: number): number => Math.fround(Math.fround(end - start) + 1);

function iou(boxes: Float32Array, areas: Float32Array, i: number, j: number): number {
  const overlap = (axis: 0 | 1): number =>
    Math.max(
      0,
      extent(
        Math.max(boxes[4 * i + axis], boxes[4 * j + axis]),
        Math.min(boxes[4 * i + axis + 2], boxes[4 * j + axis + 2]),
      ),
    );
  const intersection = Math.fround(overlap(0) * overlap(1));
  return Math.fround(intersection / Math.fround(Math.fround(areas[i] + areas[j]) - intersection));
}
