/** Plain f64 references of resizing: each output is a weighted sum of cells, and the gradient its transpose. */
import type { ResizeShape } from './resize.ts';

/** The cells of one axis that output o reads, with their weights. */
export type Axis = (o: number, size: number, outSize: number) => [cell: number, weight: number][];

/** The cell that is repeated. */
export const nearest: Axis = (o, size, outSize) => [[Math.floor((o * size) / outSize), 1]];
/** The cell itself; none in the padding. */
export const padded: Axis = (o, size) => (o < size ? [[o, 1]] : []);
/** The two cells around, on either of PyTorch's grids. */
export const bilinear =
  (alignCorners: boolean): Axis =>
  (o, size, outSize) => {
    const aligned = outSize > 1 ? (o * (size - 1)) / (outSize - 1) : 0;
    const source = alignCorners ? aligned : Math.max(0, ((o + 0.5) * size) / outSize - 0.5);
    const low = Math.min(Math.floor(source), size - 1);
    const fraction = Math.min(source - low, 1);
    return [
      [low, 1 - fraction],
      [Math.min(low + 1, size - 1), fraction],
    ];
  };

function visit(s: ResizeShape, axis: Axis, each: (o: number, i: number, weight: number) => void): void {
  for (let p = 0; p < s.planes; p++) {
    for (let r = 0; r < s.outHeight; r++) {
      for (let c = 0; c < s.outWidth; c++) {
        for (const [y, wy] of axis(r, s.height, s.outHeight)) {
          for (const [x, wx] of axis(c, s.width, s.outWidth)) {
            each((p * s.outHeight + r) * s.outWidth + c, (p * s.height + y) * s.width + x, wy * wx);
          }
        }
      }
    }
  }
}

/** y [P, outHeight, outWidth] of x [P, H, W], both axes by the same rule. */
export function resize(x: ArrayLike<number>, s: ResizeShape, axis: Axis): Float64Array {
  const y = new Float64Array(s.planes * s.outHeight * s.outWidth);
  visit(s, axis, (o, i, weight) => {
    y[o] += weight * x[i];
  });
  return y;
}

/** dx [P, H, W] of dy [P, outHeight, outWidth]. */
export function resizeBackward(dy: ArrayLike<number>, s: ResizeShape, axis: Axis): Float64Array {
  const dx = new Float64Array(s.planes * s.height * s.width);
  visit(s, axis, (o, i, weight) => {
    dx[i] += weight * dy[o];
  });
  return dx;
}
