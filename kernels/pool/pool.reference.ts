/** Plain f64 references of the pooling kernels. */
import type { MeanFilterShape, PoolShape, Window } from './pool.ts';

/** Calls `visit` with the flat index of every output and those of the inputs it reads, in row-major order. */
function visitOutputs(
  s: PoolShape,
  cells: (o: number, size: number, count: number) => number[],
  visit: (o: number, from: number[]) => void,
) {
  for (let p = 0; p < s.planes; p++) {
    for (let r = 0; r < s.outHeight; r++) {
      for (let c = 0; c < s.outWidth; c++) {
        const columns = cells(c, s.width, s.outWidth);
        const from = cells(r, s.height, s.outHeight).flatMap((y) =>
          columns.map((x) => (p * s.height + y) * s.width + x),
        );
        visit((p * s.outHeight + r) * s.outWidth + c, from);
      }
    }
  }
}

const range = (first: number, end: number): number[] => Array.from({ length: end - first }, (_, k) => first + k);
const windowCells =
  ({ kernel, stride, padding }: Window) =>
  (o: number, size: number) =>
    range(o * stride - padding, o * stride - padding + kernel).filter((i) => i >= 0 && i < size);
const binCells = (o: number, size: number, count: number) =>
  range(Math.floor((o * size) / count), Math.ceil(((o + 1) * size) / count));

/** The output, and the flat index into x of every first maximum. */
export function maxPool2d(x: ArrayLike<number>, s: PoolShape & Window) {
  const y = new Float64Array(s.planes * s.outHeight * s.outWidth);
  const argmax = new Uint32Array(y.length);
  visitOutputs(s, windowCells(s), (o, from) => {
    argmax[o] = from.reduce((best, i) => (x[i] > x[best] ? i : best));
    y[o] = x[argmax[o]];
  });
  return { y, argmax };
}

/** `argmax` holds flat indices into x. */
export function maxPool2dBackward(dy: ArrayLike<number>, argmax: ArrayLike<number>, s: PoolShape): Float64Array {
  const dx = new Float64Array(s.planes * s.height * s.width);
  for (let o = 0; o < dy.length; o++) dx[argmax[o]] += dy[o];
  return dx;
}

/** y [P, outHeight, outWidth] of x [P, H, W]. */
export function adaptiveAvgPool2d(x: ArrayLike<number>, s: PoolShape): Float64Array {
  const y = new Float64Array(s.planes * s.outHeight * s.outWidth);
  visitOutputs(s, binCells, (o, from) => {
    y[o] = from.reduce((sum, i) => sum + x[i], 0) / from.length;
  });
  return y;
}

/** dx [P, H, W] of dy [P, outHeight, outWidth]. */
export function adaptiveAvgPool2dBackward(dy: ArrayLike<number>, s: PoolShape): Float64Array {
  const dx = new Float64Array(s.planes * s.height * s.width);
  visitOutputs(s, binCells, (o, from) => {
    for (const i of from) dx[i] += dy[o] / from.length;
  });
  return dx;
}

const filterShape = ({ planes, height, width, radius }: MeanFilterShape) => ({
  shape: { planes, height, width, outHeight: height, outWidth: width },
  cells: windowCells({ kernel: 2 * radius + 1, stride: 1, padding: radius }),
});

/** Mean of the window around every cell, [P, H, W]. */
export function meanFilter(x: ArrayLike<number>, s: MeanFilterShape): Float64Array {
  const y = new Float64Array(s.planes * s.height * s.width);
  const { shape, cells } = filterShape(s);
  visitOutputs(shape, cells, (o, from) => {
    y[o] = from.reduce((sum, i) => sum + x[i], 0) / from.length;
  });
  return y;
}

/** Gradient of {@link meanFilter}, [P, H, W]. */
export function meanFilterBackward(dy: ArrayLike<number>, s: MeanFilterShape): Float64Array {
  const dx = new Float64Array(s.planes * s.height * s.width);
  const { shape, cells } = filterShape(s);
  visitOutputs(shape, cells, (o, from) => {
    for (const i of from) dx[i] += dy[o] / from.length;
  });
  return dx;
}
