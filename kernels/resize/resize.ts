/**
 * Changing the size of planes: x [P, H, W], P = N·C, to y [P, outHeight, outWidth].
 *
 * - `upsampleNearest`   repeats every cell scale × scale times; can add the result to another tensor, through
 *                       max(0, ·) when asked, as HRNet's fuse layers do
 * - `upsampleBilinear`  bilinear interpolation, PyTorch's two grids: aligned corners, or aligned pixel edges with the
 *                       border repeated
 * - `padBottomRight`    zeros below and to the right
 *
 * Gradients are gathered: each cell sums over the outputs that read it. CPU references: resize.reference.ts.
 */
import { defineKernel, f32, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '../kernel.ts';

const WORKGROUP = 64;

/** x [planes, height, width]. */
export interface PlaneShape {
  /** N·C. */
  readonly planes: number;
  /** H. */
  readonly height: number;
  /** W. */
  readonly width: number;
}
/** x [planes, height, width] and y [planes, outHeight, outWidth]. */
export interface ResizeShape extends PlaneShape {
  /** Rows of y. */
  readonly outHeight: number;
  /** Columns of y. */
  readonly outWidth: number;
}

const inputs = (s: PlaneShape): number => s.planes * s.height * s.width;
const outputs = (s: ResizeShape): number => s.planes * s.outHeight * s.outWidth;

/** WGSL: splits item i of [P, rows, columns] into plane, row and column. */
const split = (rows: string, columns: string): string => `
  if (i >= u.items) { return; }
  let column = i % (${columns});
  let row = (i / (${columns})) % (${rows});
  let plane = i / ((${columns}) * (${rows}));`;

/**
 * y = upsampled x, or a + upsampled x, or max(0, a + upsampled x). Without `add` a's binding is not read: bind x.
 * Binds x [P, H, W], a and y [P, scale·H, scale·W].
 */
export function upsampleNearest({
  scale,
  add,
  relu,
  ...s
}: PlaneShape & { scale: number; add: boolean; relu: boolean }): Kernel<'x' | 'a' | 'y'> {
  const items = inputs(s) * scale * scale;
  return defineKernel({
    name: 'resize.nearest',
    constants: { add, relu },
    bindings: { x: read(), a: read(), y: write() },
    uniforms: { items: u32(items), height: u32(s.height), width: u32(s.width), scale: u32(scale) },
    grid: linearGrid(items, WORKGROUP),
    bytes: 4 * inputs(s) + (add ? 8 : 4) * items,
    source: (c) => wgsl`${linearIndex(WORKGROUP)}${split('u.height * u.scale', 'u.width * u.scale')}
  var v = x[(plane * u.height + row / u.scale) * u.width + column / u.scale];
#if ${c.add}
  v += a[i];
#endif
#if ${c.relu}
  v = max(v, 0.0);
#endif
  y[i] = v;
}`,
  });
}

/**
 * dx (+)= Σ over the cell's repetitions of dy, masked by y > 0 when `relu` (else y is not read: bind dy).
 * Binds dy and y [P, scale·H, scale·W], dx [P, H, W].
 */
export function upsampleNearestBackward({
  scale,
  relu,
  accumulate,
  ...s
}: PlaneShape & { scale: number; relu: boolean; accumulate: boolean }): Kernel<'dy' | 'y' | 'dx'> {
  const items = inputs(s);
  return defineKernel({
    name: 'resize.nearestBackward',
    constants: { relu },
    bindings: { dy: read(), y: read(), dx: write() },
    uniforms: {
      items: u32(items),
      height: u32(s.height),
      width: u32(s.width),
      scale: u32(scale),
      accumulate: u32(accumulate ? 1 : 0),
    },
    grid: linearGrid(items, WORKGROUP),
    flops: items * scale * scale,
    bytes: 4 * items + (relu ? 8 : 4) * items * scale * scale,
    source: (c) => wgsl`${linearIndex(WORKGROUP)}${split('u.height', 'u.width')}
  let stride = u.width * u.scale;
  let corner = (plane * u.height + row) * u.scale * stride + column * u.scale;
  var sum = 0.0;
  for (var r = 0u; r < u.scale; r++) {
    for (var c = 0u; c < u.scale; c++) {
      let o = corner + r * stride + c;
#if ${c.relu}
      sum += select(0.0, dy[o], y[o] > 0.0);
#else
      sum += dy[o];
#endif
    }
  }
  dx[i] = sum + select(0.0, dx[i], u.accumulate == 1u);
}`,
  });
}

/** Source position of output o: o·step + start. */
export function bilinearGrid(size: number, outSize: number, alignCorners: boolean): { step: number; start: number } {
  if (alignCorners) return { step: outSize > 1 ? (size - 1) / (outSize - 1) : 0, start: 0 };
  return { step: size / outSize, start: (size / outSize - 1) / 2 };
}

function bilinearUniforms(s: ResizeShape, alignCorners: boolean, items: number) {
  const vertical = bilinearGrid(s.height, s.outHeight, alignCorners);
  const horizontal = bilinearGrid(s.width, s.outWidth, alignCorners);
  return {
    items: u32(items),
    height: u32(s.height),
    width: u32(s.width),
    outHeight: u32(s.outHeight),
    outWidth: u32(s.outWidth),
    stepY: f32(vertical.step),
    startY: f32(vertical.start),
    stepX: f32(horizontal.step),
    startX: f32(horizontal.start),
  };
}

const SOURCE = `
fn sourceOf(o: u32, step: f32, start: f32, size: u32) -> f32 {
  return clamp(f32(o) * step + start, 0.0, f32(size - 1u));
}`;

/**
 * Bilinear interpolation of x [P, H, W] → y [P, outHeight, outWidth] (torch.nn.functional.interpolate). With
 * `alignCorners` corner cells map onto corner cells; otherwise the edges of the images coincide.
 */
export function upsampleBilinear({ alignCorners, ...s }: ResizeShape & { alignCorners: boolean }): Kernel<'x' | 'y'> {
  return defineKernel({
    name: 'resize.bilinear',
    bindings: { x: read(), y: write() },
    uniforms: bilinearUniforms(s, alignCorners, outputs(s)),
    grid: linearGrid(outputs(s), WORKGROUP),
    flops: 8 * outputs(s),
    bytes: 4 * (inputs(s) + outputs(s)),
    source: () => wgsl`${SOURCE}
${linearIndex(WORKGROUP)}${split('u.outHeight', 'u.outWidth')}
  let sy = sourceOf(row, u.stepY, u.startY, u.height);
  let sx = sourceOf(column, u.stepX, u.startX, u.width);
  let top = (plane * u.height + u32(sy)) * u.width;
  let bottom = (plane * u.height + min(u32(sy) + 1u, u.height - 1u)) * u.width;
  let left = u32(sx);
  let right = min(left + 1u, u.width - 1u);
  y[i] = mix(mix(x[top + left], x[top + right], fract(sx)), mix(x[bottom + left], x[bottom + right], fract(sx)), fract(sy));
}`,
  });
}

/**
 * dx (+)= Σ over the outputs within one cell of dy times the cell's bilinear weight.
 * Binds dy [P, outHeight, outWidth] and dx [P, H, W].
 */
export function upsampleBilinearBackward({
  alignCorners,
  accumulate,
  ...s
}: ResizeShape & { alignCorners: boolean; accumulate: boolean }): Kernel<'dy' | 'dx'> {
  return defineKernel({
    name: 'resize.bilinearBackward',
    bindings: { dy: read(), dx: write() },
    uniforms: { ...bilinearUniforms(s, alignCorners, inputs(s)), accumulate: u32(accumulate ? 1 : 0) },
    grid: linearGrid(inputs(s), WORKGROUP),
    flops: 8 * outputs(s),
    bytes: 4 * (inputs(s) + outputs(s)),
    source: () => wgsl`${SOURCE}
/** The outputs o of x ≤ o < y that may read a cell; one too many has weight 0. */
fn readersOf(cell: u32, step: f32, start: f32, count: u32) -> vec2u {
  let perStep = 1.0 / max(step, 1e-6);
  let low = floor((f32(cell) - 1.0 - start) * perStep);
  let high = ceil((f32(cell) + 1.0 - start) * perStep) + 1.0;
  return vec2u(clamp(vec2f(low, high), vec2f(0.0), vec2f(f32(count))));
}
${linearIndex(WORKGROUP)}${split('u.height', 'u.width')}
  let rows = readersOf(row, u.stepY, u.startY, u.outHeight);
  let columns = readersOf(column, u.stepX, u.startX, u.outWidth);
  var sum = 0.0;
  for (var r = rows.x; r < rows.y; r++) {
    let wy = max(0.0, 1.0 - abs(sourceOf(r, u.stepY, u.startY, u.height) - f32(row)));
    let base = (plane * u.outHeight + r) * u.outWidth;
    for (var c = columns.x; c < columns.y; c++) {
      let wx = max(0.0, 1.0 - abs(sourceOf(c, u.stepX, u.startX, u.width) - f32(column)));
      sum += wy * wx * dy[base + c];
    }
  }
  dx[i] = sum + select(0.0, dx[i], u.accumulate == 1u);
}`,
  });
}

/**
 * y = x with rows of zeros below and columns of zeros to the right.
 * Binds x [P, H, W] and y [P, outHeight, outWidth].
 */
export function padBottomRight(s: ResizeShape): Kernel<'x' | 'y'> {
  return defineKernel({
    name: 'resize.pad',
    bindings: { x: read(), y: write() },
    uniforms: {
      items: u32(outputs(s)),
      height: u32(s.height),
      width: u32(s.width),
      outHeight: u32(s.outHeight),
      outWidth: u32(s.outWidth),
    },
    grid: linearGrid(outputs(s), WORKGROUP),
    bytes: 4 * (inputs(s) + outputs(s)),
    source: () => wgsl`${linearIndex(WORKGROUP)}${split('u.outHeight', 'u.outWidth')}
  var v = 0.0;
  if (row < u.height && column < u.width) { v = x[(plane * u.height + row) * u.width + column]; }
  y[i] = v;
}`,
  });
}

/**
 * dx (+)= the part of dy that is not padding.
 * Binds dy [P, outHeight, outWidth] and dx [P, H, W].
 */
export function padBottomRightBackward({
  accumulate,
  ...s
}: ResizeShape & { accumulate: boolean }): Kernel<'dy' | 'dx'> {
  return defineKernel({
    name: 'resize.padBackward',
    bindings: { dy: read(), dx: write() },
    uniforms: {
      items: u32(inputs(s)),
      height: u32(s.height),
      width: u32(s.width),
      outHeight: u32(s.outHeight),
      outWidth: u32(s.outWidth),
      accumulate: u32(accumulate ? 1 : 0),
    },
    grid: linearGrid(inputs(s), WORKGROUP),
    bytes: 8 * inputs(s),
    source: () => wgsl`${linearIndex(WORKGROUP)}${split('u.height', 'u.width')}
  dx[i] = dy[(plane * u.outHeight + row) * u.outWidth + column] + select(0.0, dx[i], u.accumulate == 1u);
}`,
  });
}
