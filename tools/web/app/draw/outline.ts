/** The outline of a mask as a path, so that it is sharp at any size. */
import { parseRle, type Rle, runsBox } from '@cim/model/evaluate/rle';

/** What an outline is drawn with: a Path2D, or something that records. */
export interface Pen {
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
  closePath(): void;
}

/** Right, down, left, up. */
const STEP_X = [1, 0, -1, 0];
const STEP_Y = [0, 1, 0, -1];

/**
 * Draws the border of every part and hole of a mask in pixels of the image. Corners are cut: the line goes through the
 * middles of the pixels' edges, which makes slanting borders straight. Fill it by the even-odd rule.
 */
export function traceMask(rle: Rle, pen: Pen): void {
  const runs = parseRle(rle);
  const [left, top, width, height] = runsBox(runs);
  if (width === 0 || height === 0) return;
  // The box of the mask column by column, as runs come, in a margin of one pixel.
  const stride = height + 2;
  const mask = new Uint8Array(stride * (width + 2));
  let position = 0;
  runs.counts.forEach((count, run) => {
    const end = position + count;
    while (run % 2 === 1 && position < end) {
      const x = Math.floor(position / runs.height);
      const y = position - x * runs.height;
      const length = Math.min(end - position, runs.height - y);
      const from = (x - left + 1) * stride + (y - top + 1);
      mask.fill(1, from, from + length);
      position += length;
    }
    position = end;
  });
  const inside = (x: number, y: number): boolean => mask[x * stride + y] !== 0;
  /** Upper edges of pixels that a border has gone along: every border has one. */
  const seen = new Uint8Array(mask.length);
  for (let x = 1; x <= width; x++) {
    for (let y = 1; y <= height; y++) {
      if (inside(x, y) && !inside(x, y - 1) && !seen[x * stride + y]) follow(x, y);
    }
  }

  /** Follows a border with the mask on the right, from the upper left corner of a pixel back to it. */
  function follow(startX: number, startY: number): void {
    let [x, y, direction, before] = [startX, startY, 0, -1];
    let pen0 = true;
    do {
      if (direction === 0) seen[x * stride + y] = 1;
      const [dx, dy] = [STEP_X[direction], STEP_Y[direction]];
      const [endX, endY] = [x + dx, y + dy];
      // The pixels ahead of the edge's end, left and right of the way.
      const leftX = endX + (dx + dy - 1) / 2;
      const leftY = endY + (dy - dx - 1) / 2;
      const rightX = endX + (dx - dy - 1) / 2;
      const rightY = endY + (dy + dx - 1) / 2;
      const turn = !inside(rightX, rightY) ? 1 : inside(leftX, leftY) ? 3 : 0;
      // Of a straight stretch its first and last edge are enough.
      if (before !== direction || turn !== 0) {
        const [middleX, middleY] = [x + dx / 2 + left - 1, y + dy / 2 + top - 1];
        if (pen0) pen.moveTo(middleX, middleY);
        else pen.lineTo(middleX, middleY);
        pen0 = false;
      }
      before = direction;
      [x, y, direction] = [endX, endY, (direction + turn) % 4];
    } while (x !== startX || y !== startY || direction !== 0);
    pen.closePath();
  }
}

const paths = new WeakMap<Rle, Path2D>();

/** {@link traceMask} as a path, made once for each mask. */
export function maskPath(mask: Rle): Path2D {
  let path = paths.get(mask);
  if (!path) {
    path = new Path2D();
    traceMask(mask, path);
    paths.set(mask, path);
  }
  return path;
}
