/**
 * The pixel work of mask proposals: colour, smoothing, edges and superpixels of an RGB image [height, width].
 * In the order of use:
 *
 * - `proposalLab`      sRGB bytes → CIE Lab (D65), planes L, a, b
 * - `proposalBlur`     separable Gaussian of both scales, one axis a dispatch
 * - `proposalEdges`    edge strength of the coarse scale, gradient and its orientation of the fine scale
 * - `slicAssign`       SLIC (Achanta et al., PAMI 2012): every pixel joins the nearest of the 3×3 centres around its grid cell
 * - `slicCentres`      SLIC: every centre moves to the mean of its pixels
 *
 * What the host needs of a pixel is collected in one tensor, `maps` [7, height, width], so that one read-back brings
 * it all; its planes are named by {@link MAPS}. The centres gather their pixels in a fixed order: results do not
 * depend on scheduling. CPU references: proposal.reference.ts.
 */
import { defineKernel, f32, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '../kernel.ts';

const WORKGROUP = 64;
/** Invocations that share a SLIC cell or centre. */
const SLIC_WORKGROUP = 32;

/** Planes of `maps`: Lab; edge strength; |∇L| and its orientation 0…7 of the fine scale; superpixel (a whole number). */
export const MAPS = { lab: 0, edge: 3, gradient: 4, orientation: 5, label: 6, count: 7 } as const;
/** Standard deviations in pixels: the fine scale serves superpixels and texture, the coarse one edges. */
export const FINE_SIGMA = 0.8;
export const COARSE_SIGMA = 1.2;
/** Edge strength weights of L, a and b: the eye, and so annotators, follow hue more than light. */
export const EDGE_WEIGHTS = [1, 1.3, 1.3] as const;
/** Directions of the gradient that texture distinguishes, over the full circle. */
export const ORIENTATIONS = 8;

export interface ImageSize {
  readonly width: number;
  readonly height: number;
}
/** The SLIC grid: columns × rows cells; superpixel = row · columns + column. */
export interface SlicGrid {
  readonly columns: number;
  readonly rows: number;
}

/** Taps of a Gaussian, cut at 4 σ, centre first: weights of offsets 0, ±1, ±2, … */
export function gaussianTaps(sigma: number): number[] {
  const taps = Array.from({ length: Math.floor(4 * sigma + 0.5) + 1 }, (_, k) => Math.exp(-(k * k) / (2 * sigma * sigma)));
  const sum = 2 * taps.reduce((a, b) => a + b) - taps[0];
  return taps.map((tap) => tap / sum);
}

/** maps[0…3) = Lab of `rgb`, one word a pixel (red in the low byte). L is 0…100. */
export function proposalLab({ width, height }: ImageSize): Kernel<'rgb' | 'maps'> {
  const n = width * height;
  return defineKernel({
    name: 'proposal.lab',
    bindings: { rgb: read('u32'), maps: write() },
    uniforms: { n: u32(n) },
    grid: linearGrid(n, WORKGROUP),
    flops: 60 * n,
    bytes: 16 * n,
    source: () => wgsl`
fn linear(byte: u32) -> f32 {
  let v = f32(byte & 255u) / 255.0;
  return select(v / 12.92, pow((v + 0.055) / 1.055, 2.4), v > 0.04045);
}
fn compress(t: f32) -> f32 {
  return select(7.787 * t + 16.0 / 116.0, pow(max(t, 0.001), 1.0 / 3.0), t > 0.008856);
}
${linearIndex(WORKGROUP)}
  if (i >= u.n) { return; }
  let r = linear(rgb[i]);
  let g = linear(rgb[i] >> 8u);
  let b = linear(rgb[i] >> 16u);
  let fx = compress((0.412453 * r + 0.357580 * g + 0.180423 * b) / 0.95047);
  let fy = compress(0.212671 * r + 0.715160 * g + 0.072169 * b);
  let fz = compress((0.019334 * r + 0.119193 * g + 0.950227 * b) / 1.08883);
  maps[i] = 116.0 * fy - 16.0;
  maps[u.n + i] = 500.0 * (fx - fy);
  maps[2u * u.n + i] = 200.0 * (fy - fz);
}`,
  });
}

/**
 * Gaussian along x or y; pixels beyond the border repeat it. y [6, height, width]: Lab at the fine scale, then at the
 * coarse one. Along x the input holds Lab once, [3, height, width]; along y it is the output of the pass along x.
 */
export function proposalBlur({ width, height, axis }: ImageSize & { axis: 'x' | 'y' }): Kernel<'x' | 'y'> {
  const n = width * height;
  const fine = gaussianTaps(FINE_SIGMA);
  const coarse = gaussianTaps(COARSE_SIGMA);
  const sum = (taps: readonly number[]): string =>
    taps.map((tap, k) => (k === 0 ? `${tap} * at(base, p, 0)` : `${tap} * (at(base, p, -${k}) + at(base, p, ${k}))`)).join('\n      + ');
  return defineKernel({
    name: 'proposal.blur',
    constants: { axis },
    bindings: { x: read(), y: write() },
    uniforms: { n: u32(n), width: u32(width), height: u32(height) },
    grid: [...linearGrid(n, WORKGROUP).slice(0, 2), 6] as [number, number, number],
    flops: 3 * n * 3 * (fine.length + coarse.length),
    bytes: 4 * n * (axis === 'x' ? 9 : 12),
    source: (c) => wgsl`
fn at(base: u32, p: vec2i, offset: i32) -> f32 {
#if ${c.axis === 'x'}
  return x[base + u32(p.y) * u.width + u32(clamp(p.x + offset, 0, i32(u.width) - 1))];
#else
  return x[base + u32(clamp(p.y + offset, 0, i32(u.height) - 1)) * u.width + u32(p.x)];
#endif
}
${linearIndex(WORKGROUP)}
  if (i >= u.n) { return; }
  let p = vec2i(i32(i % u.width), i32(i / u.width));
  let plane = gid.z;
#if ${c.axis === 'x'}
  let base = (plane % 3u) * u.n;
#else
  let base = plane * u.n;
#endif
  var value: f32;
  if (plane < 3u) {
    value = ${sum(fine)};
  } else {
    value = ${sum(coarse)};
  }
  y[plane * u.n + i] = value;
}`,
  });
}

/**
 * From the blurred planes [6, height, width]: maps.edge = √Σ (weight · Sobel)² / 8 over L, a, b and both axes of the
 * coarse scale, in units of Lab a pixel; maps.gradient = |∇L| of the fine scale by central differences;
 * maps.orientation = its direction, floored to one of 8 sectors of the circle.
 */
export function proposalEdges({ width, height }: ImageSize): Kernel<'blurred' | 'maps'> {
  const n = width * height;
  return defineKernel({
    name: 'proposal.edges',
    bindings: { blurred: read(), maps: write() },
    uniforms: { n: u32(n), width: u32(width), height: u32(height) },
    grid: linearGrid(n, WORKGROUP),
    flops: 90 * n,
    bytes: 4 * n * 7,
    source: () => wgsl`
fn sobel(plane: u32, x: vec3u, y: vec3u) -> f32 {
  let base = plane * u.n;
  let a = blurred[base + y.x + x.x];
  let b = blurred[base + y.x + x.z];
  let c = blurred[base + y.z + x.x];
  let d = blurred[base + y.z + x.z];
  let dx = (b - a) + (d - c) + 2.0 * (blurred[base + y.y + x.z] - blurred[base + y.y + x.x]);
  let dy = (c - a) + (d - b) + 2.0 * (blurred[base + y.z + x.y] - blurred[base + y.x + x.y]);
  return dx * dx + dy * dy;
}
${linearIndex(WORKGROUP)}
  if (i >= u.n) { return; }
  let px = i % u.width;
  let py = i / u.width;
  let x = vec3u(max(px, 1u) - 1u, px, min(px + 1u, u.width - 1u));
  let y = vec3u(max(py, 1u) - 1u, py, min(py + 1u, u.height - 1u)) * u.width;
  let strength = ${EDGE_WEIGHTS.map((w, k) => `${w * w} * sobel(${3 + k}u, x, y)`).join(' + ')};
  maps[${MAPS.edge}u * u.n + i] = sqrt(strength) / 8.0;

  let gx = (blurred[y.y + x.z] - blurred[y.y + x.x]) / f32(max(x.z - x.x, 1u));
  let gy = (blurred[y.z + x.y] - blurred[y.x + x.y]) * f32(u.width) / f32(max(y.z - y.x, 1u));
  let length = sqrt(gx * gx + gy * gy);
  maps[${MAPS.gradient}u * u.n + i] = length;
  // atan2(0, 0) is undefined in WGSL; a flat pixel weighs nothing in any sector.
  let turn = atan2(gy, select(gx, 1.0, length == 0.0)) / 6.283185307 + 0.5;
  maps[${MAPS.orientation}u * u.n + i] = f32(min(u32(max(turn, 0.0) * ${ORIENTATIONS}.0), ${ORIENTATIONS - 1}u));
}`,
  });
}

const slicUniforms = ({ width, height, columns, rows }: ImageSize & SlicGrid) => ({
  width: u32(width),
  height: u32(height),
  columns: u32(columns),
  rows: u32(rows),
});
/** The pixel rows or columns of a run of cells: cell k of m owns the pixels from ⌈k·size/m⌉ up to those of cell k + 1. */
const CELLS = `
fn cellStart(cell: u32, cells: u32, size: u32) -> u32 {
  return (cell * size + cells - 1u) / cells;
}`;

/**
 * maps.label of every pixel = the centre k of the 3×3 grid cells around its own that minimises
 * |Lab − Lab_k|² / compactness² + |position − position_k|² / step², the first one in a tie.
 * centres f32 [rows · columns, 5] hold L, a, b, x, y in pixels; `initial` reads none: each pixel takes its own cell.
 * Colours are those of the fine scale.
 */
export function slicAssign({
  compactness,
  initial,
  ...shape
}: ImageSize & SlicGrid & { compactness: number; initial: boolean }): Kernel<'blurred' | 'centres' | 'maps'> {
  const { width, height, columns, rows } = shape;
  const n = width * height;
  return defineKernel({
    name: 'proposal.slicAssign',
    constants: { initial },
    bindings: { blurred: read(), centres: read(), maps: write() },
    uniforms: {
      ...slicUniforms(shape),
      colourScale: f32(1 / compactness ** 2),
      spatialScale: f32((columns * rows) / n),
    },
    grid: [columns, rows, 1],
    flops: initial ? 0 : n * 9 * 15,
    bytes: 16 * n,
    source: (c) => wgsl`${CELLS}
@compute @workgroup_size(${SLIC_WORKGROUP})
fn main(@builtin(workgroup_id) cell: vec3u, @builtin(local_invocation_index) lane: u32) {
  let n = u.width * u.height;
  let x0 = cellStart(cell.x, u.columns, u.width);
  let y0 = cellStart(cell.y, u.rows, u.height);
  let w = cellStart(cell.x + 1u, u.columns, u.width) - x0;
  let pixels = w * (cellStart(cell.y + 1u, u.rows, u.height) - y0);
#if ${!c.initial}
  // The nine centres are the same for all pixels of the cell: they are read once. Missing ones are infinitely far.
  var colours: array<vec3f, 9>;
  var positions: array<vec2f, 9>;
  for (var k = 0u; k < 9u; k++) {
    let cx = cell.x + k % 3u;
    let cy = cell.y + k / 3u;
    positions[k] = vec2f(1e9);
    if (cx >= 1u && cx <= u.columns && cy >= 1u && cy <= u.rows) {
      let o = 5u * ((cy - 1u) * u.columns + cx - 1u);
      colours[k] = vec3f(centres[o], centres[o + 1u], centres[o + 2u]);
      positions[k] = vec2f(centres[o + 3u], centres[o + 4u]);
    }
  }
#endif
  for (var p = lane; p < pixels; p += ${SLIC_WORKGROUP}u) {
    let x = x0 + p % w;
    let y = y0 + p / w;
    let i = y * u.width + x;
#if ${c.initial}
    maps[${MAPS.label}u * n + i] = f32(cell.y * u.columns + cell.x);
#else
    let colour = vec3f(blurred[i], blurred[n + i], blurred[2u * n + i]);
    let position = vec2f(f32(x), f32(y));
    var best = 4u;
    var least = 3e38;
    for (var k = 0u; k < 9u; k++) {
      let dc = colour - colours[k];
      let dp = position - positions[k];
      let d = dot(dc, dc) * u.colourScale + dot(dp, dp) * u.spatialScale;
      if (d < least) {
        least = d;
        best = k;
      }
    }
    maps[${MAPS.label}u * n + i] = f32((cell.y + best / 3u - 1u) * u.columns + cell.x + best % 3u - 1u);
#endif
  }
}`,
  });
}

/**
 * centres[k] = mean fine-scale Lab and position of the pixels labelled k; a centre without pixels stays.
 * By {@link slicAssign} those pixels lie in the 3×3 cells around cell k, which is all a workgroup looks through.
 */
export function slicCentres(shape: ImageSize & SlicGrid): Kernel<'blurred' | 'maps' | 'centres'> {
  const { width, height, columns, rows } = shape;
  return defineKernel({
    name: 'proposal.slicCentres',
    bindings: { blurred: read(), maps: read(), centres: write() },
    uniforms: slicUniforms(shape),
    grid: [columns, rows, 1],
    flops: 6 * width * height,
    bytes: 16 * width * height,
    source: () => wgsl`${CELLS}
var<workgroup> sums: array<f32, ${6 * SLIC_WORKGROUP}>;

fn total(quantity: u32) -> f32 {
  var sum = 0.0;
  for (var k = 0u; k < ${SLIC_WORKGROUP}u; k++) { sum += sums[quantity * ${SLIC_WORKGROUP}u + k]; }
  return sum;
}

@compute @workgroup_size(${SLIC_WORKGROUP})
fn main(@builtin(workgroup_id) cell: vec3u, @builtin(local_invocation_index) lane: u32) {
  let n = u.width * u.height;
  let x0 = cellStart(max(cell.x, 1u) - 1u, u.columns, u.width);
  let y0 = cellStart(max(cell.y, 1u) - 1u, u.rows, u.height);
  let w = cellStart(min(cell.x + 2u, u.columns), u.columns, u.width) - x0;
  let pixels = w * (cellStart(min(cell.y + 2u, u.rows), u.rows, u.height) - y0);
  let centre = cell.y * u.columns + cell.x;
  var colour = vec3f(0.0);
  var position = vec2f(0.0);
  var count = 0.0;
  for (var p = lane; p < pixels; p += ${SLIC_WORKGROUP}u) {
    let x = x0 + p % w;
    let y = y0 + p / w;
    let i = y * u.width + x;
    if (u32(maps[${MAPS.label}u * n + i]) == centre) {
      colour += vec3f(blurred[i], blurred[n + i], blurred[2u * n + i]);
      position += vec2f(f32(x), f32(y));
      count += 1.0;
    }
  }
  sums[lane] = colour.x;
  sums[${SLIC_WORKGROUP}u + lane] = colour.y;
  sums[${2 * SLIC_WORKGROUP}u + lane] = colour.z;
  sums[${3 * SLIC_WORKGROUP}u + lane] = position.x;
  sums[${4 * SLIC_WORKGROUP}u + lane] = position.y;
  sums[${5 * SLIC_WORKGROUP}u + lane] = count;
  workgroupBarrier();
  if (lane < 5u) {
    let members = total(5u);
    if (members > 0.0) { centres[5u * centre + lane] = total(lane) / members; }
  }
}`,
  });
}
