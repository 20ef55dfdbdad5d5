/**
 * Pooling of x [P, H, W], P = N·C planes, to y [P, outHeight, outWidth].
 *
 * - `maxPool2d`          maximum of a window; padding never wins. Remembers the place of the first maximum, which alone gets
 *                        the gradient (PyTorch's rule)
 * - `adaptiveAvgPool2d`  mean of the cells ⌊o·H/outHeight⌋ … ⌈(o+1)·H/outHeight⌉ − 1, likewise across; [1, 1] is the
 *                        global average
 * - `meanFilter`         mean of the window around each cell, sizes kept
 *
 * Gradients are gathered: each cell sums over the outputs that read it. CPU references: pool.reference.ts.
 */
import { defineKernel, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '../kernel.ts';

const WORKGROUP = 64;

/** Planes x [planes, height, width] and y [planes, outHeight, outWidth]. */
export interface PoolShape {
  /** N·C. */
  readonly planes: number;
  /** H. */
  readonly height: number;
  /** W. */
  readonly width: number;
  /** Rows of y. */
  readonly outHeight: number;
  /** Columns of y. */
  readonly outWidth: number;
}
/** A square window, the same in both directions. */
export interface Window {
  /** Cells per side. */
  readonly kernel: number;
  /** Cells from one window to the next. */
  readonly stride: number;
  /** Cells around the map that never win. */
  readonly padding: number;
}

const outputs = (s: PoolShape): number => s.planes * s.outHeight * s.outWidth;
const inputs = (s: PoolShape): number => s.planes * s.height * s.width;
const uniformsOf = (s: PoolShape, items: number) => ({
  items: u32(items),
  height: u32(s.height),
  width: u32(s.width),
  outHeight: u32(s.outHeight),
  outWidth: u32(s.outWidth),
});
const windowUniforms = ({ kernel, stride, padding }: Window) => ({
  kernel: u32(kernel),
  stride: u32(stride),
  padding: u32(padding),
});

/** WGSL: splits item i of [P, rows, columns] into plane, row and column. */
const split = (rows: string, columns: string): string => `
  if (i >= u.items) { return; }
  let column = i % u.${columns};
  let row = (i / u.${columns}) % u.${rows};
  let plane = i / (u.${columns} * u.${rows});`;

/**
 * Also writes argmax [P, outHeight, outWidth] (u32): the index of the maximum within its plane of x.
 * Binds x [P, H, W], y [P, outHeight, outWidth] and argmax.
 */
export function maxPool2d(s: PoolShape & Window): Kernel<'x' | 'y' | 'argmax'> {
  return defineKernel({
    name: 'pool.max',
    bindings: { x: read(), y: write(), argmax: write('u32') },
    uniforms: { ...uniformsOf(s, outputs(s)), ...windowUniforms(s) },
    grid: linearGrid(outputs(s), WORKGROUP),
    flops: outputs(s) * s.kernel * s.kernel,
    bytes: 4 * inputs(s) + 8 * outputs(s),
    source: () => wgsl`${linearIndex(WORKGROUP)}${split('outHeight', 'outWidth')}
  // Window corners in padded coordinates.
  let top = row * u.stride;
  let left = column * u.stride;
  let rows = vec2u(max(top, u.padding), min(top + u.kernel, u.height + u.padding)) - u.padding;
  let columns = vec2u(max(left, u.padding), min(left + u.kernel, u.width + u.padding)) - u.padding;
  let base = plane * u.height * u.width;
  var found = rows.x * u.width + columns.x;
  var largest = x[base + found];
  for (var r = rows.x; r < rows.y; r++) {
    for (var c = columns.x; c < columns.y; c++) {
      let at = r * u.width + c;
      let v = x[base + at];
      if (v > largest) {
        largest = v;
        found = at;
      }
    }
  }
  y[i] = largest;
  argmax[i] = found;
}`,
  });
}

/**
 * dx (+)= Σ dy of the windows whose maximum is at the cell.
 * Binds dy [P, outHeight, outWidth], argmax u32, shaped like it, and dx [P, H, W].
 */
export function maxPool2dBackward({
  accumulate,
  ...s
}: PoolShape & Window & { accumulate: boolean }): Kernel<'dy' | 'argmax' | 'dx'> {
  return defineKernel({
    name: 'pool.maxBackward',
    bindings: { dy: read(), argmax: read('u32'), dx: write() },
    uniforms: { ...uniformsOf(s, inputs(s)), ...windowUniforms(s), accumulate: u32(accumulate ? 1 : 0) },
    grid: linearGrid(inputs(s), WORKGROUP),
    bytes: 8 * outputs(s) + 4 * inputs(s),
    source: () => wgsl`
/** The windows o of x ≤ o < y that cover a position. */
fn windowsOver(position: u32, count: u32) -> vec2u {
  let p = position + u.padding;
  let first = select(0u, (p - u.kernel) / u.stride + 1u, p >= u.kernel);
  return vec2u(first, min(p / u.stride + 1u, count));
}
${linearIndex(WORKGROUP)}${split('height', 'width')}
  let rows = windowsOver(row, u.outHeight);
  let columns = windowsOver(column, u.outWidth);
  let cell = row * u.width + column;
  var sum = 0.0;
  for (var r = rows.x; r < rows.y; r++) {
    for (var c = columns.x; c < columns.y; c++) {
      let o = (plane * u.outHeight + r) * u.outWidth + c;
      if (argmax[o] == cell) { sum += dy[o]; }
    }
  }
  dx[i] = sum + select(0.0, dx[i], u.accumulate == 1u);
}`,
  });
}

/** WGSL: the cells of output bin `o`, and the bins of a cell, as half-open ranges. */
const BINS = `
fn cellsOf(o: u32, size: u32, bins: u32) -> vec2u { return vec2u(o * size / bins, ((o + 1u) * size + bins - 1u) / bins); }
fn binsOf(cell: u32, size: u32, bins: u32) -> vec2u { return cellsOf(cell, bins, size); }`;

/** Mean of x [P, H, W] over a grid of bins → y [P, outHeight, outWidth] (PyTorch's AdaptiveAvgPool2d). */
export function adaptiveAvgPool2d(s: PoolShape): Kernel<'x' | 'y'> {
  return defineKernel({
    name: 'pool.adaptiveAverage',
    bindings: { x: read(), y: write() },
    uniforms: uniformsOf(s, outputs(s)),
    grid: linearGrid(outputs(s), WORKGROUP),
    flops: inputs(s),
    bytes: 4 * (inputs(s) + outputs(s)),
    source: () => wgsl`${BINS}
${linearIndex(WORKGROUP)}${split('outHeight', 'outWidth')}
  let rows = cellsOf(row, u.height, u.outHeight);
  let columns = cellsOf(column, u.width, u.outWidth);
  var sum = 0.0;
  for (var r = rows.x; r < rows.y; r++) {
    let base = (plane * u.height + r) * u.width;
    for (var c = columns.x; c < columns.y; c++) { sum += x[base + c]; }
  }
  y[i] = sum / f32((rows.y - rows.x) * (columns.y - columns.x));
}`,
  });
}

/**
 * dx (+)= Σ over the bins that hold the cell of dy / the bin's cells.
 * Binds dy [P, outHeight, outWidth] and dx [P, H, W].
 */
export function adaptiveAvgPool2dBackward({
  accumulate,
  ...s
}: PoolShape & { accumulate: boolean }): Kernel<'dy' | 'dx'> {
  return defineKernel({
    name: 'pool.adaptiveAverageBackward',
    bindings: { dy: read(), dx: write() },
    uniforms: { ...uniformsOf(s, inputs(s)), accumulate: u32(accumulate ? 1 : 0) },
    grid: linearGrid(inputs(s), WORKGROUP),
    flops: inputs(s),
    bytes: 4 * (inputs(s) + outputs(s)),
    source: () => wgsl`${BINS}
${linearIndex(WORKGROUP)}${split('height', 'width')}
  let rows = binsOf(row, u.height, u.outHeight);
  let columns = binsOf(column, u.width, u.outWidth);
  var sum = 0.0;
  for (var r = rows.x; r < rows.y; r++) {
    let tall = cellsOf(r, u.height, u.outHeight);
    for (var c = columns.x; c < columns.y; c++) {
      let wide = cellsOf(c, u.width, u.outWidth);
      sum += dy[(plane * u.outHeight + r) * u.outWidth + c] / f32((tall.y - tall.x) * (wide.y - wide.x));
    }
  }
  dx[i] = sum + select(0.0, dx[i], u.accumulate == 1u);
}`,
  });
}

/** Planes [P, H, W] and windows of 2·radius + 1 cells a side. */
export interface MeanFilterShape {
  /** N·C. */
  readonly planes: number;
  /** H. */
  readonly height: number;
  /** W. */
  readonly width: number;
  /** Cells on either side of the middle one. */
  readonly radius: number;
}

const filterUniforms = ({ planes, height, width, radius }: MeanFilterShape) => ({
  items: u32(planes * height * width),
  height: u32(height),
  width: u32(width),
  radius: u32(radius),
});

/** WGSL: the sum over the window around item i of [P, H, W], cut off at the borders, of `term(o, cells)`. */
const forWindow = (term: (o: string, cells: string) => string): string => `
fn spanOf(at: u32, size: u32) -> vec2u { return vec2u(max(at, u.radius) - u.radius, min(at + u.radius + 1u, size)); }
fn lengthOf(at: u32, size: u32) -> u32 { let span = spanOf(at, size); return span.y - span.x; }
${linearIndex(WORKGROUP)}${split('height', 'width')}
  let rows = spanOf(row, u.height);
  let columns = spanOf(column, u.width);
  var sum = 0.0;
  for (var r = rows.x; r < rows.y; r++) {
    for (var c = columns.x; c < columns.y; c++) {
      sum += ${term('(plane * u.height + r) * u.width + c', 'f32(lengthOf(r, u.height) * lengthOf(c, u.width))')};
    }
  }`;

/** Mean of x [P, H, W] over the cells of a window around each → y [P, H, W]; what lies outside does not count. */
export function meanFilter(s: MeanFilterShape): Kernel<'x' | 'y'> {
  const items = s.planes * s.height * s.width;
  return defineKernel({
    name: 'pool.meanFilter',
    bindings: { x: read(), y: write() },
    uniforms: filterUniforms(s),
    grid: linearGrid(items, WORKGROUP),
    flops: items * (2 * s.radius + 1) ** 2,
    bytes: 8 * items,
    source: () => wgsl`${forWindow((o) => `x[${o}]`)}
  y[i] = sum / f32((rows.y - rows.x) * (columns.y - columns.x));
}`,
  });
}

/** dx (+)= Σ over the windows that hold the cell of dy / the window's cells. Binds dy and dx [P, H, W]. */
export function meanFilterBackward({
  accumulate,
  ...s
}: MeanFilterShape & { accumulate: boolean }): Kernel<'dy' | 'dx'> {
  const items = s.planes * s.height * s.width;
  return defineKernel({
    name: 'pool.meanFilterBackward',
    bindings: { dy: read(), dx: write() },
    uniforms: { ...filterUniforms(s), accumulate: u32(accumulate ? 1 : 0) },
    grid: linearGrid(items, WORKGROUP),
    flops: 2 * items * (2 * s.radius + 1) ** 2,
    bytes: 8 * items,
    source: () => wgsl`${forWindow((o, cells) => `dy[${o}] / ${cells}`)}
  dx[i] = sum + select(0.0, dx[i], u.accumulate == 1u);
}`,
  });
}
