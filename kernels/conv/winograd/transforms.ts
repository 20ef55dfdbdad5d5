/**
 * Into the Winograd domain and back. There, everything is [points², channels, columns], or with its last axes exchanged
 * where a product wants it so: a column is a tile of the batch's images, in the order of images, then rows, then columns
 * of tiles.
 */
import {
  defineKernel,
  type Grid,
  i32,
  type Kernel,
  linearGrid,
  linearIndex,
  read,
  u32,
  wgsl,
  write,
} from '../../kernel.ts';
import { type Matrix, transformBy } from './matrices.ts';

const WORKGROUP = 64;
/** Columns and channels of a workgroup, where a grid has both as its axes: divisions are slow on software GPUs. */
const COLUMNS = 16;
const CHANNELS = 4;

/** Images [n, channels, height, width] cut into `tilesY`×`tilesX` tiles each, `step` pixels apart. */
export interface TileGrid {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly tilesY: number;
  readonly tilesX: number;
  readonly step: number;
}

/** Consecutive tiles of a batch; `columns` ≥ `count` is how many columns the domain has for them. */
export interface TileRange {
  readonly first: number;
  readonly count: number;
  readonly columns: number;
}

const tileUniforms = (grid: TileGrid, range: TileRange) => ({
  channels: u32(grid.channels),
  height: u32(grid.height),
  width: u32(grid.width),
  tilesY: u32(grid.tilesY),
  tilesX: u32(grid.tilesX),
  step: u32(grid.step),
  first: u32(range.first),
  count: u32(range.count),
  columns: u32(range.columns),
});

/**
 * WGSL: from channel `c` and column `t`, where its tile begins: row `y` and column `x` of the plane at `plane`. Remainders
 * are what quotients leave: software GPUs divide lane by lane.
 */
const PLACE = `
  let tile = u.first + t;
  let tileRow = tile / u.tilesX;
  let n = tileRow / u.tilesY;
  let plane = (n * u.channels + c) * u.height * u.width;
  let y = i32((tileRow - n * u.tilesY) * u.step) + u.origin;
  let x = i32((tile - tileRow * u.tilesX) * u.step) + u.origin;`;

/** The grid over `width`×`height`, x first. */
const planeGrid = (width: number, height: number): Grid => [
  Math.ceil(width / COLUMNS),
  Math.ceil(height / CHANNELS),
  1,
];
const PLANE_HEAD = `
@compute @workgroup_size(${COLUMNS}, ${CHANNELS})
fn main(@builtin(global_invocation_id) gid: vec3u) {`;

const each = (count: number, at: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => at(i)).join('\n');
/**
 * WGSL: writes all points of a domain, a row a turn: as many stores as points, each guarded, compile for half a second
 * on software GPUs.
 */
const storePoints = (nextRow: string, points: number): string => `
  for (var p = 0u; p < u.points; p++) {
    ${nextRow}
    let first = at + p * ${points}u * stride;
    ${each(points, (j) => `domain[first + ${j}u * stride] = v${j};`)}
  }`;
/** WGSL: takes the columns of `points` points, which are `stride` elements apart from `at` on. */
const loadColumns = (takeColumn: string, points: number): string => `
  for (var j = 0u; j < u.points; j++) {
    let first = at + j * stride;
    ${each(points, (i) => `let d${i} = domain[first + ${i * points}u * stride];`)}
    ${takeColumn}
  }`;

/**
 * domain[p, c, t], or with `channelsLast` domain[p, t, c], = (matrix·tile·matrixᵀ)[p], zero for channels and columns beyond
 * the images'. Tiles are squares of the matrix's columns, the first of an image at (origin, origin); pixels outside are
 * zero. `rows` ≥ channels.
 */
export function winogradTiles(
  grid: TileGrid & { readonly origin: number; readonly rows: number; readonly channelsLast: boolean },
  range: TileRange,
  transform: { readonly name: string; readonly matrix: Matrix },
): Kernel<'image' | 'domain'> {
  const { matrix } = transform;
  const points = matrix.length;
  const size = matrix[0].length;
  return defineKernel({
    name: `conv.winograd.${transform.name}`,
    constants: { points, size, channelsLast: grid.channelsLast },
    bindings: { image: read(), domain: write() },
    uniforms: {
      ...tileUniforms(grid, range),
      origin: i32(grid.origin),
      rows: u32(grid.rows),
      size: u32(size),
      points: u32(points),
    },
    grid: grid.channelsLast ? planeGrid(grid.rows, range.columns) : planeGrid(range.columns, grid.rows),
    flops: grid.rows * range.columns * points * (points + size) * 2,
    bytes: 4 * grid.rows * range.columns * (points * points + size * size),
    source: () => {
      const { variables, takeColumn, nextRow } = transformBy(matrix);
      return wgsl`${PLANE_HEAD}
#if ${grid.channelsLast}
  let t = gid.y;
  let c = gid.x;
  let at = t * u.rows + c;
#else
  let t = gid.x;
  let c = gid.y;
  let at = c * u.columns + t;
#endif
  if (c >= u.rows || t >= u.columns) { return; }
  let real = c < u.channels && t < u.count;
${PLACE}
  let width = i32(u.width);
  ${each(
    size,
    (i) => `let row${i} = plane + u32(y + ${i}) * u.width;
  let in${i} = real && y + ${i} >= 0 && y + ${i} < i32(u.height);`,
  )}
  ${variables}
  for (var j = 0; j < i32(u.size); j++) {
    let inside = x + j >= 0 && x + j < width;
    let column = u32(x + j);
    ${each(size, (i) => `let d${i} = select(0.0, image[row${i} + column], in${i} && inside);`)}
    ${takeColumn}
  }
  let stride = u.rows * u.columns;
  ${storePoints(nextRow, points)}
}`;
    },
  });
}

/**
 * image (+)= matrix·domain[·, c, t]·matrixᵀ, or with `channelsLast` of domain[·, t, c], at the place of each tile: squares
 * of the matrix's rows that do not overlap. Through max(0, · + bias [channels] + residual, shaped like image).
 */
export function winogradImage(
  grid: TileGrid & { readonly channelsLast: boolean },
  range: TileRange,
  transform: { readonly name: string; readonly matrix: Matrix },
  { bias = false, residual = false, relu = false, accumulate = false },
): Kernel<'domain' | 'bias' | 'residual' | 'image'> {
  const { matrix } = transform;
  const size = matrix.length;
  const points = matrix[0].length;
  return defineKernel({
    name: `conv.winograd.${transform.name}`,
    // Guarded loads compile as long where they are not taken.
    constants: { points, size, channelsLast: grid.channelsLast, epilogue: bias || residual || relu || accumulate },
    bindings: { domain: read(), bias: read(), residual: read(), image: write() },
    uniforms: {
      ...tileUniforms(grid, range),
      size: u32(size),
      points: u32(points),
      origin: i32(0),
      useBias: u32(bias ? 1 : 0),
      residual: u32(residual ? 1 : 0),
      relu: u32(relu ? 1 : 0),
      accumulate: u32(accumulate ? 1 : 0),
    },
    grid: grid.channelsLast ? planeGrid(grid.channels, range.count) : planeGrid(range.count, grid.channels),
    flops: grid.channels * range.count * size * (points + size) * 2,
    bytes: 4 * grid.channels * range.count * (points * points + size * size),
    source: ({ epilogue }) => {
      const { variables, takeColumn, nextRow } = transformBy(matrix);
      return wgsl`${PLANE_HEAD}
#if ${grid.channelsLast}
  let t = gid.y;
  let c = gid.x;
  let at = t * u.channels + c;
#else
  let t = gid.x;
  let c = gid.y;
  let at = c * u.columns + t;
#endif
  if (c >= u.channels || t >= u.count) { return; }
  let stride = u.channels * u.columns;
  ${variables}
  ${loadColumns(takeColumn, points)}
${PLACE}
#if ${epilogue}
  let shift = select(0.0, bias[c], u.useBias == 1u);
#endif
  for (var dy = 0u; dy < u.size; dy++) {
    ${nextRow}
    for (var dx = 0u; dx < u.size; dx++) {
      var v = v0;
      ${each(size - 1, (j) => `v${j} = v${j + 1};`)}
      if (u32(y) + dy >= u.height || u32(x) + dx >= u.width) { continue; }
      let to = plane + (u32(y) + dy) * u.width + u32(x) + dx;
#if ${epilogue}
      v += shift;
      if (u.residual == 1u) { v += residual[to]; }
      if (u.relu == 1u) { v = max(v, 0.0); }
      if (u.accumulate == 1u) { v += image[to]; }
#endif
      image[to] = v;
    }
  }
}`;
    },
  });
}

/**
 * domain[p, row, inner], or with `rowsLast` domain[p, inner, row], = (matrix·g·matrixᵀ)[p] of the weight's filters: rows are
 * output channels and `inner` input channels, or with `backward` the reverse and each filter is turned by 180°. Zero from
 * the inner channels to `columns`.
 */
export function winogradWeight(
  {
    co,
    ci,
    columns,
    rowsLast,
  }: { readonly co: number; readonly ci: number; readonly columns: number; rowsLast: boolean },
  matrix: Matrix,
  backward: boolean,
): Kernel<'weight' | 'domain'> {
  const points = matrix.length;
  const taps = matrix[0].length;
  const rows = backward ? ci : co;
  const filter = taps * taps;
  return defineKernel({
    name: 'conv.winograd.weight',
    constants: { points, taps, backward, rowsLast },
    bindings: { weight: read(), domain: write() },
    uniforms: {
      rows: u32(rows),
      inner: u32(backward ? co : ci),
      columns: u32(columns),
      strideRow: u32(backward ? filter : ci * filter),
      strideInner: u32(backward ? ci * filter : filter),
      points: u32(points),
    },
    grid: rowsLast ? planeGrid(rows, columns) : planeGrid(columns, rows),
    flops: rows * columns * points * (points + taps) * 2,
    bytes: 4 * rows * columns * (points * points + filter),
    source: () => {
      const { take, nextRow } = transformBy(matrix);
      return wgsl`${PLANE_HEAD}
#if ${rowsLast}
  let row = gid.x;
  let inner = gid.y;
  let at = inner * u.rows + row;
#else
  let row = gid.y;
  let inner = gid.x;
  let at = row * u.columns + inner;
#endif
  if (row >= u.rows || inner >= u.columns) { return; }
  let begin = row * u.strideRow + inner * u.strideInner;
  ${each(filter, (tap) => {
    const from = backward ? filter - 1 - tap : tap;
    return `let d${Math.floor(tap / taps)}_${tap % taps} = select(0.0, weight[begin + ${from}u], inner < u.inner);`;
  })}
  ${take}
  let stride = u.rows * u.columns;
  ${storePoints(nextRow, points)}
}`;
    },
  });
}

/** dw [filters, taps, taps] (+)= matrix·domain[·, filter]·matrixᵀ. */
export function winogradWeightGradient(
  { filters }: { readonly filters: number },
  matrix: Matrix,
  accumulate: boolean,
): Kernel<'domain' | 'dw'> {
  const taps = matrix.length;
  const points = matrix[0].length;
  return defineKernel({
    name: 'conv.winograd.weightGradient',
    constants: { points, taps },
    bindings: { domain: read(), dw: write() },
    uniforms: { filters: u32(filters), points: u32(points), accumulate: u32(accumulate ? 1 : 0) },
    grid: linearGrid(filters, WORKGROUP),
    flops: filters * taps * (points + taps) * 2,
    bytes: 4 * filters * (points * points + taps * taps),
    source: () => {
      const { variables, takeColumn, result } = transformBy(matrix);
      return wgsl`${linearIndex(WORKGROUP)}
  if (i >= u.filters) { return; }
  let at = i;
  let stride = u.filters;
  ${variables}
  ${loadColumns(takeColumn, points)}
  let to = i * ${taps * taps}u;
  ${each(taps * taps, (tap) => {
    const target = `dw[to + ${tap}u]`;
    return `${target} = ${result.flat()[tap]} + select(0.0, ${target}, u.accumulate == 1u);`;
  })}
}`;
    },
  });
}
