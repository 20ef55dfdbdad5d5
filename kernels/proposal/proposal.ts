/**
 * The pixel work of mask proposals: colour, smoothing, edges and superpixels of an RGB image [height, width].
 * In the order of use:
 *
 * - `proposalLab`      sRGB bytes → CIE Lab (D65), planes L, a, b
 * - `proposalBlur`     separable Gaussian of both scales, one axis a dispatch
 * - `proposalEdges`    edge strength of the coarse scale, gradient and its orientation of the fine scale
 * - `slicIteration`    SLIC superpixels (Achanta et al., PAMI 2012), one round of assignment and centre update
 *
 * What the host needs of a pixel is collected in one tensor, `maps` [7, height, width], so that one read-back brings
 * it all; its planes are named by {@link MAPS}. Sums are taken in a fixed order, so results do not depend on scheduling.
 * CPU references: proposal.reference.ts.
 */
import {
  defineKernel,
  f32,
  type Grid,
  type Kernel,
  linearGrid,
  linearIndex,
  read,
  u32,
  wgsl,
  write,
} from '../kernel.ts';

const WORKGROUP = 64;
/** Pixels in x and y; an integer division of the index costs more than what a pixel needs. */
const IMAGE_WORKGROUP = [16, 4] as const;
/** Lanes in x and y that share a SLIC cell; a cell is 8 to 14 pixels wide, and every lane adds to the final sums. */
const SLIC_WORKGROUP = [8, 2] as const;
/** Pixels of one blur invocation. */
const BLUR_RUN = 4;
/** Pixels of one edge invocation, downwards. */
const EDGE_RUN = 8;

const imageGrid = (width: number, height: number, depth = 1): Grid => [
  Math.ceil(width / IMAGE_WORKGROUP[0]),
  Math.ceil(height / IMAGE_WORKGROUP[1]),
  depth,
];
const IMAGE_MAIN = `
@compute @workgroup_size(${IMAGE_WORKGROUP})
fn main(@builtin(global_invocation_id) gid: vec3u) {`;

/** Planes of `maps`: Lab; edge strength; |∇L| and its orientation 0…7 of the fine scale; superpixel (a whole number). */
export const MAPS = { lab: 0, edge: 3, gradient: 4, orientation: 5, label: 6, count: 7 } as const;
/** Standard deviations in pixels: the fine scale serves superpixels and texture, the coarse one edges. */
export const FINE_SIGMA = 0.8;
/** Standard deviation, pixels, of the Gaussian before edge strength is taken. */
export const COARSE_SIGMA = 1.2;
/** Edge strength weights of L, a and b: the eye, and so annotators, follow hue more than light. */
export const EDGE_WEIGHTS = [1, 1.3, 1.3] as const;
/** Directions of the gradient that texture distinguishes, over the full circle. */
export const ORIENTATIONS = 8;

/** Pixels of an image. */
export interface ImageSize {
  /** Columns. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
}
/** The SLIC grid: columns × rows cells; superpixel = row · columns + column. */
export interface SlicGrid {
  /** Cells in a row. */
  readonly columns: number;
  /** Rows of cells. */
  readonly rows: number;
}

/** Taps of a Gaussian, cut at 4 σ, centre first: weights of offsets 0, ±1, ±2, … */
export function gaussianTaps(sigma: number): number[] {
  const taps = Array.from({ length: Math.floor(4 * sigma + 0.5) + 1 }, (_, k) =>
    Math.exp(-(k * k) / (2 * sigma * sigma)),
  );
  const sum = 2 * taps.reduce((a, b) => a + b) - taps[0];
  return taps.map((tap) => tap / sum);
}

/**
 * maps[0…3) = Lab of `rgb`, one word a pixel (red in the low byte). L is 0…100.
 * Binds rgb u32 [height, width] and maps [7, height, width], of which it writes three planes.
 */
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
 * An invocation makes a run of pixels of one plane at both scales, so that it loads each pixel of the run's window once.
 */
export function proposalBlur({ width, height, axis }: ImageSize & { axis: 'x' | 'y' }): Kernel<'x' | 'y'> {
  const n = width * height;
  const [fine, coarse] = [gaussianTaps(FINE_SIGMA), gaussianTaps(COARSE_SIGMA)];
  const pixels = Array.from({ length: BLUR_RUN }, (_, j) => j);
  const load = (scale: string, plane: string, taps: readonly number[]): string =>
    Array.from({ length: BLUR_RUN + 2 * (taps.length - 1) }, (_, k) => k - taps.length + 1)
      .map((k) => `let ${name(scale, k)} = at(${plane}, p, ${k});`)
      .join('\n  ');
  const name = (scale: string, k: number): string => `${scale}${k < 0 ? `_${-k}` : k}`;
  const sum = (scale: string, taps: readonly number[], j: number): string =>
    taps
      .map((tap, k) =>
        k === 0 ? `${tap} * ${name(scale, j)}` : `${tap} * (${name(scale, j - k)} + ${name(scale, j + k)})`,
      )
      .join(' + ');
  return defineKernel({
    name: 'proposal.blur',
    constants: { axis },
    bindings: { x: read(), y: write() },
    uniforms: { width: u32(width), height: u32(height) },
    grid:
      axis === 'x'
        ? imageGrid(Math.ceil(width / BLUR_RUN), height, 3)
        : imageGrid(width, Math.ceil(height / BLUR_RUN), 3),
    flops: 3 * n * 3 * (fine.length + coarse.length),
    bytes: 4 * n * (axis === 'x' ? 9 : 12),
    source: (c) => wgsl`
fn at(plane: u32, p: vec2i, offset: i32) -> f32 {
#if ${c.axis === 'x'}
  let q = vec2u(u32(clamp(p.x + offset, 0, i32(u.width) - 1)), u32(p.y));
#else
  let q = vec2u(u32(p.x), u32(clamp(p.y + offset, 0, i32(u.height) - 1)));
#endif
  return x[(plane * u.height + q.y) * u.width + q.x];
}
${IMAGE_MAIN}
  let plane = gid.z;
#if ${c.axis === 'x'}
  if (gid.x * ${BLUR_RUN}u >= u.width || gid.y >= u.height) { return; }
  let p = vec2i(i32(gid.x) * ${BLUR_RUN}, i32(gid.y));
  let room = u.width - u32(p.x);
  let step = 1u;
  ${load('v', 'plane', coarse)}
#else
  if (gid.x >= u.width || gid.y * ${BLUR_RUN}u >= u.height) { return; }
  let p = vec2i(i32(gid.x), i32(gid.y) * ${BLUR_RUN});
  let room = u.height - u32(p.y);
  let step = u.width;
  ${load('f', 'plane', fine)}
  ${load('v', 'plane + 3u', coarse)}
#endif
  let o = (plane * u.height + u32(p.y)) * u.width + u32(p.x);
  let coarse = o + 3u * u.height * u.width;
${pixels
  .map(
    (j) => `  if (${j}u < room) {
    y[o + ${j}u * step] = ${sum(c.axis === 'x' ? 'v' : 'f', fine, j)};
    y[coarse + ${j}u * step] = ${sum('v', coarse, j)};
  }`,
  )
  .join('\n')}
}`,
  });
}

/**
 * From the blurred planes [6, height, width]: maps.edge = √Σ (weight · Sobel)² / 8 over L, a, b and both axes of the
 * coarse scale, in units of Lab a pixel; maps.gradient = |∇L| of the fine scale by central differences;
 * maps.orientation = its direction, floored to one of 8 sectors of the circle.
 * An invocation walks down a run of pixels, so that it loads each row of its window once.
 * Binds blurred [6, height, width] and maps [7, height, width].
 */
export function proposalEdges({ width, height }: ImageSize): Kernel<'blurred' | 'maps'> {
  const n = width * height;
  const coarse = EDGE_WEIGHTS.map((weight, c) => ({ plane: 3 + c, weight: weight * weight }));
  return defineKernel({
    name: 'proposal.edges',
    bindings: { blurred: read(), maps: write() },
    uniforms: { width: u32(width), height: u32(height) },
    grid: imageGrid(width, Math.ceil(height / EDGE_RUN)),
    flops: 70 * n,
    bytes: 4 * n * 7,
    source: () => wgsl`
/** Three neighbours in a row; those beyond the border repeat it. */
fn row(plane: u32, x: vec3u, y: i32) -> vec3f {
  let o = (plane * u.height + u32(clamp(y, 0, i32(u.height) - 1))) * u.width;
  return vec3f(blurred[o + x.x], blurred[o + x.y], blurred[o + x.z]);
}
fn sobel(above: vec3f, here: vec3f, below: vec3f) -> f32 {
  let across = above + 2.0 * here + below;
  let down = below - above;
  let dx = across.z - across.x;
  let dy = down.x + 2.0 * down.y + down.z;
  return dx * dx + dy * dy;
}
${IMAGE_MAIN}
  let first = i32(gid.y) * ${EDGE_RUN};
  let last = min(first + ${EDGE_RUN}, i32(u.height));
  if (gid.x >= u.width || first >= last) { return; }
  let n = u.width * u.height;
  let x = vec3u(max(gid.x, 1u) - 1u, gid.x, min(gid.x + 1u, u.width - 1u));
${[0, 3, 4, 5].map((p) => `  var above${p} = row(${p}u, x, first - 1);\n  var here${p} = row(${p}u, x, first);`).join('\n')}
  for (var y = first; y < last; y++) {
    let i = u32(y) * u.width + gid.x;
${[0, 3, 4, 5].map((p) => `    let below${p} = row(${p}u, x, y + 1);`).join('\n')}
    let strength = ${coarse.map(({ plane: p, weight }) => `${weight} * sobel(above${p}, here${p}, below${p})`).join('\n      + ')};
    maps[${MAPS.edge}u * n + i] = sqrt(strength) / 8.0;

    let rows = min(y + 1, i32(u.height) - 1) - max(y - 1, 0);
    let gx = (here0.z - here0.x) / f32(max(x.z - x.x, 1u));
    let gy = (below0.y - above0.y) / f32(max(rows, 1));
    let length = sqrt(gx * gx + gy * gy);
    maps[${MAPS.gradient}u * n + i] = length;
    // atan2(0, 0) is undefined in WGSL; a flat pixel weighs nothing in any sector.
    let turn = atan2(gy, select(gx, 1.0, length == 0.0)) / 6.283185307 + 0.5;
    maps[${MAPS.orientation}u * n + i] = f32(min(u32(max(turn, 0.0) * ${ORIENTATIONS}.0), ${ORIENTATIONS - 1}u));
${[0, 3, 4, 5].map((p) => `    above${p} = here${p};\n    here${p} = below${p};`).join('\n')}
  }
}`,
  });
}

/**
 * One iteration of SLIC. Every pixel joins the centre k of the 3×3 grid cells around its own that minimises
 * |Lab − Lab_k|² / compactness² + |position − position_k|² / step² (the first one in a tie), at the fine scale;
 * maps.label = k.
 *
 * A workgroup owns a cell. It keeps, for each of those nine centres, the sums over its own pixels of L, a, b, x, y and
 * 1:
 * sums [rows · columns, 9, 6]. A centre is the mean over what the nine cells around it summed in the iteration before
 * (`previous`, of the same shape); one without pixels is gone. `initial` reads none: each pixel joins its own cell.
 * Binds blurred, the planes L, a, b of both scales, [6, height, width], previous and sums, and maps [7, height, width].
 */
export function slicIteration({
  width,
  height,
  columns,
  rows,
  compactness,
  initial,
}: ImageSize & SlicGrid & { compactness: number; initial: boolean }): Kernel<'blurred' | 'previous' | 'sums' | 'maps'> {
  const n = width * height;
  const [x, y] = SLIC_WORKGROUP;
  const lanes = x * y;
  const nine = Array.from({ length: 9 }, (_, k) => k);
  return defineKernel({
    name: 'proposal.slicIteration',
    constants: { initial },
    bindings: { blurred: read(), previous: read(), sums: write(), maps: write() },
    uniforms: {
      width: u32(width),
      height: u32(height),
      columns: u32(columns),
      rows: u32(rows),
      colourScale: f32(1 / compactness ** 2),
      spatialScale: f32((columns * rows) / n),
      // Loops to bounds that are known only at run time are not unrolled, which compiles for a second.
      cells: u32(nine.length),
      lanes: u32(lanes),
    },
    grid: [columns, rows, 1],
    flops: n * 9 * 30,
    bytes: 16 * n,
    source: (c) => wgsl`
// Quantities of the nine centres; then each lane's sums of them, lane by lane.
var<workgroup> shared_sums: array<f32, ${54 * lanes}>;

/** The first pixel row or column of a cell. */
fn cellStart(cell: u32, cells: u32, size: u32) -> u32 {
  return (cell * size + cells - 1u) / cells;
}
/** Place k of the 3×3 cells around a cell. */
fn neighbour(cell: vec2i, k: u32) -> vec2i {
  return cell + vec2i(i32(k % 3u), i32(k / 3u)) - 1;
}
fn exists(cell: vec2i) -> bool {
  return all(cell >= vec2i(0)) && cell.x < i32(u.columns) && cell.y < i32(u.rows);
}

@compute @workgroup_size(${x}, ${y})
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let n = u.width * u.height;
  let cell = group.xy;
  let x0 = cellStart(cell.x, u.columns, u.width);
  let y0 = cellStart(cell.y, u.rows, u.height);
  let x1 = cellStart(cell.x + 1u, u.columns, u.width);
  let y1 = cellStart(cell.y + 1u, u.rows, u.height);
#if ${!c.initial}
  for (var item = lane; item < 54u; item += ${lanes}u) {
    let centre = neighbour(vec2i(cell), item / 6u);
    var total = 0.0;
    if (exists(centre)) {
      for (var k = 0u; k < u.cells; k++) {
        let source = neighbour(centre, k);
        // To the cell at place k, this centre is at the opposite place.
        if (exists(source)) {
          total += previous[(u32(source.y) * u.columns + u32(source.x)) * 54u + (8u - k) * 6u + item % 6u];
        }
      }
    }
    shared_sums[item] = total;
  }
  workgroupBarrier();
${nine
  .map(
    (k) => `  let count${k} = shared_sums[${6 * k + 5}];
  let colour${k} = vec3f(shared_sums[${6 * k}], shared_sums[${6 * k + 1}], shared_sums[${6 * k + 2}]) / max(count${k}, 1.0);
  let position${k} = select(vec2f(1e9), vec2f(shared_sums[${6 * k + 3}], shared_sums[${6 * k + 4}]) / max(count${k}, 1.0), count${k} > 0.0);`,
  )
  .join('\n')}
  workgroupBarrier();
#endif
${nine.map((k) => `  var colours${k} = vec3f(0.0);\n  var positions${k} = vec3f(0.0);`).join('\n')}
  for (var py = y0 + local.y; py < y1; py += ${y}u) {
    for (var px = x0 + local.x; px < x1; px += ${x}u) {
      let i = py * u.width + px;
      let colour = vec3f(blurred[i], blurred[n + i], blurred[2u * n + i]);
      let position = vec2f(f32(px), f32(py));
      var best = 4u;
#if ${!c.initial}
      var least = 3e38;
      var d: f32;
      var dc: vec3f;
      var dp: vec2f;
${nine
  .map(
    (k) => `      dc = colour - colour${k};
      dp = position - position${k};
      d = dot(dc, dc) * u.colourScale + dot(dp, dp) * u.spatialScale;
      best = select(best, ${k}u, d < least);
      least = min(least, d);`,
  )
  .join('\n')}
#endif
      let one = vec3f(position, 1.0);
${nine
  .map(
    (k) => `      colours${k} += select(vec3f(0.0), colour, best == ${k}u);
      positions${k} += select(vec3f(0.0), one, best == ${k}u);`,
  )
  .join('\n')}
      maps[${MAPS.label}u * n + i] = f32((cell.y + best / 3u - 1u) * u.columns + cell.x + best % 3u - 1u);
    }
  }
${nine
  .map((k) =>
    ['colours', 'positions']
      .map((of, half) =>
        ['x', 'y', 'z']
          .map((axis, q) => `  shared_sums[${(6 * k + 3 * half + q) * lanes}u + lane] = ${of}${k}.${axis};`)
          .join('\n'),
      )
      .join('\n'),
  )
  .join('\n')}
  workgroupBarrier();
  let own = (cell.y * u.columns + cell.x) * 54u;
  for (var item = lane; item < 54u; item += ${lanes}u) {
    var total = 0.0;
    for (var k = 0u; k < u.lanes; k++) { total += shared_sums[item * u.lanes + k]; }
    sums[own + item] = total;
  }
}`,
  });
}
