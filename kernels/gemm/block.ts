/**
 * Matrix products in workgroup memory, whatever the operands are: a workgroup fills a tile of each with what the
 * family's text loads, multiplies the two, and hands the sums to what the family's text stores. Matrices
 * (blocked.ts) and convolutions (../conv/implicit-gemm.ts) share it.
 *
 * Each stretch of `depth` k passes through workgroup memory as tileA [k][row] and tileB [k][column]. Then either an
 * invocation multiplies `height`×`width` outputs in registers, or a subgroup its part in subgroup matrices. All sums
 * are f32, also those of f16 operands.
 */
import { hasLanes } from '../candidate.ts';
import { type Element, each, type Grid, linearGrid, type Requirements } from '../kernel.ts';
import type { SubgroupMatrix, Target } from '../target.ts';

/** How a workgroup shares out its part of the result when its invocations multiply in registers. */
interface RegisterBlock {
  /** Rows and columns of the result that a workgroup computes, and how many k it holds at once. */
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** Rows and columns that an invocation computes, multiples of 4. */
  readonly height: number;
  readonly width: number;
}

/** 64 or 128 invocations, 8 or 12 KiB; `depth` is such that each loads 4×4 elements of the larger operand. */
const REGISTER_BLOCKS: readonly RegisterBlock[] = [
  { rows: 128, columns: 64, depth: 16, height: 8, width: 8 },
  { rows: 64, columns: 64, depth: 16, height: 8, width: 8 },
  { rows: 64, columns: 64, depth: 16, height: 8, width: 4 },
  { rows: 32, columns: 32, depth: 32, height: 4, width: 4 },
];

/** Kinds of subgroup matrices that there is a block for: Apple's, NVIDIA's, Intel's. Sums are f32. */
export const SUBGROUP_MATRICES: readonly SubgroupMatrix[] = [
  { component: 'f32', result: 'f32', m: 8, n: 8, k: 8 },
  { component: 'f16', result: 'f32', m: 8, n: 8, k: 8 },
  { component: 'f16', result: 'f32', m: 16, n: 16, k: 16 },
  { component: 'f16', result: 'f32', m: 16, n: 8, k: 16 },
  { component: 'f16', result: 'f32', m: 8, n: 16, k: 16 },
];
/** What the four subgroups of a workgroup compute, half the rows and half the columns each. */
const MATRIX_BLOCK = { rows: 64, columns: 64, depth: 16 };
const SIDE = 2;
const SUBGROUPS = SIDE * SIDE;

const suffix = (half: boolean): string => (half ? '.f16' : '');
const registerName = ({ rows, columns, height, width }: RegisterBlock, half: boolean): string =>
  `${[rows, columns, height, width].join('x')}${suffix(half)}`;
const matrixName = ({ component, m, n, k }: SubgroupMatrix): string =>
  `matrix.${m}x${n}x${k}${suffix(component === 'f16')}`;

/** A way to multiply blocks: its tiles, its text, and what an estimate needs. */
export interface Block {
  /** Part of a candidate's name: `64x64x8x8`, `64x64x8x8.f16`, `matrix.8x8x8`. */
  readonly name: string;
  /** Operands are f16. */
  readonly half: boolean;
  /** Rows of the product a workgroup computes. */
  readonly rows: number;
  /** Columns of the product a workgroup computes. */
  readonly columns: number;
  /** Invocations of a workgroup. */
  readonly invocations: number;
  /** Time of an invocation for one k, in multiply-adds. */
  readonly work: number;
  /** Baked into the WGSL, see KernelSpec. */
  readonly constants: Readonly<Record<string, number | boolean>>;
  /** What the device must offer. */
  readonly requires: Requirements;
  /** The kernel's WGSL around what the family's text loads and stores. */
  readonly source: (text: BlockText) => string;
}

/** The blocks that kernels may use on a target. Software GPUs are better off without, and compile large ones for seconds. */
export function* blocks(target: Target): Generator<Block> {
  for (const half of target.f16 ? [false, true] : [false]) {
    const offered = hasLanes(target.subgroupSize) ? REGISTER_BLOCKS.slice(-1) : REGISTER_BLOCKS;
    for (const block of offered) yield registerBlock(block, half);
  }
  const { subgroupMatrices, subgroupSize } = target;
  if (subgroupSize === 0 || hasLanes(subgroupSize)) return;
  for (const kind of SUBGROUP_MATRICES) {
    const offered = subgroupMatrices.some(
      ({ component, result, m, n, k }) =>
        component === kind.component && result === kind.result && m === kind.m && n === kind.n && k === kind.k,
    );
    if (!offered || (kind.component === 'f16' && !target.f16)) continue;
    const block = matrixBlock(kind, subgroupSize);
    const { invocations = 0, workgroupBytes = 0 } = block.requires;
    if (invocations <= target.invocations && workgroupBytes <= target.workgroupBytes) yield block;
  }
}

function registerBlock(block: RegisterBlock, half: boolean): Block {
  const { rows, columns, height, width } = block;
  const constants = { ...block, half };
  return {
    name: registerName(block, half),
    half,
    rows,
    columns,
    invocations: invocationsOf(block),
    work: height * width * (1 + 1 / height + 1 / width) + fetchWork(block, half),
    constants,
    requires: half ? { features: ['shader-f16'] } : {},
    source: (text) => registerSource(constants, text),
  };
}

const invocationsOf = ({ rows, columns, height, width }: RegisterBlock): number => (rows / height) * (columns / width);

/** An element that comes from beyond the workgroup costs as much as 16 multiply-adds, shared by all invocations. */
const fetchWork = (block: RegisterBlock, half: boolean): number =>
  ((half ? 8 : 16) * (block.rows + block.columns)) / invocationsOf(block);

function matrixBlock(kind: SubgroupMatrix, subgroup: number): Block {
  const { component, m, n, k } = kind;
  const { rows, columns } = MATRIX_BLOCK;
  const half = component === 'f16';
  const constants = { ...MATRIX_BLOCK, half, unitM: m, unitN: n, unitK: k, subgroup };
  const invocations = SUBGROUPS * subgroup;
  return {
    name: matrixName(kind),
    half,
    rows,
    columns,
    invocations,
    // Apple's units do two, NVIDIA's and Intel's eight or more multiply-adds of an invocation at a time.
    work: (rows * columns) / invocations / (half ? 8 : 2) + ((half ? 8 : 16) * (rows + columns)) / invocations,
    constants,
    requires: {
      features: ['subgroups', 'chromium-experimental-subgroup-matrix', ...(half ? (['shader-f16'] as const) : [])],
      subgroupSize: subgroup,
      invocations,
      workgroupBytes: matrixWorkgroupBytes(constants),
    },
    source: (text) => matrixSource(constants, text),
  };
}

/** The names of all there are. */
export const BLOCK_NAMES: readonly string[] = [
  ...[false, true].flatMap((half) => REGISTER_BLOCKS.map((block) => registerName(block, half))),
  ...SUBGROUP_MATRICES.map(matrixName),
];

/** Invocations that keep a GPU busy. */
const PARALLEL = 16384;
/** A part of k is at least this long. */
const MIN_DEPTH = 64;
/** Lengths of parts are multiples of this: vectors of four k, of either operand, lie in one part. */
const DEPTH_STEP = 16;
/** What a part's sum and a dispatch cost, in multiply-adds. */
const SUM = 8;
const DISPATCH = 4096;

/** A product of [m,k] by [k,n], `slices` times over; at most `most` parts of k may be summed on their own. */
export interface BlockProblem {
  /** Rows of the product. */
  readonly m: number;
  /** Columns of the product. */
  readonly n: number;
  /** Length of the sums. */
  readonly k: number;
  /** Products of a batch; 1 unless given. */
  readonly slices?: number;
  /** Parts of k that may be summed on their own, at most; unlimited unless given. */
  readonly most?: number;
}

/** A block, and into how many parts it cuts k. */
export interface BlockChoice {
  /** The tile and its text. */
  readonly block: Block;
  /** Lengths of the parts; k itself when there is one. */
  readonly depth: number;
  /** Partial sums of an output; they are added in a fixed order. */
  readonly parts: number;
}

/** Least estimated time first. Cutting k helps where the result has too few blocks to keep a GPU busy. */
export function rankBlocks(target: Target, { m, n, k, slices = 1, most = 1 }: BlockProblem): BlockChoice[] {
  const choices = [...blocks(target)].map((block) => {
    const invocations = Math.ceil(m / block.rows) * Math.ceil(n / block.columns) * slices * block.invocations;
    const time = (parts: number): number =>
      (Math.ceil(k / parts) * block.work * Math.max(PARALLEL, invocations * parts)) / PARALLEL +
      (parts > 1 ? (SUM * parts * m * n) / PARALLEL + DISPATCH : 0);
    const wanted = Math.min(Math.ceil(PARALLEL / Math.max(1, invocations)), Math.floor(k / MIN_DEPTH), most);
    const length = Math.ceil(k / Math.max(1, wanted) / DEPTH_STEP) * DEPTH_STEP;
    const parts = Math.ceil(k / length);
    return wanted > 1 && parts > 1 && time(parts) < time(1)
      ? { block, depth: length, parts, time: time(parts) }
      : { block, depth: Math.max(1, k), parts: 1, time: time(1) };
  });
  return choices.sort((a, b) => a.time - b.time);
}
/** The grid over a result [m,n], `slices` times, as {@link Block.source} expects it, and its uniform `rowTiles`. */
export function blockGrid(
  { rows, columns }: Block,
  m: number,
  n: number,
  slices: number,
): { readonly rowTiles: number; readonly grid: Grid } {
  const rowTiles = Math.ceil(m / rows);
  const [x, y] = linearGrid(n, columns);
  return { rowTiles, grid: n === 0 ? [0, 1, 1] : [x, y, rowTiles * slices] };
}

/** Scalar and vector types of operands. */
export const scalarType = (half: boolean): Element => (half ? 'f16' : 'f32');
/** Type of the bindings that operands are loaded from, four elements at a time. */
export const vectorType = (half: boolean): Element => (half ? 'vec4h' : 'vec4f');

/** How four neighbouring rows of op(A), or columns of op(B), reach a tile. WGSL, in which `last` is the end of k. */
export interface Loader {
  /** Neighbours in memory: an invocation loads four k of its four, or else only every so many k. */
  readonly along: 'k' | 'outer';
  /** Statements run once: what an invocation keeps of its four, the first of which is `at`, a name, given as argument. */
  readonly setup: (at: string) => string;
  /** Statements run before each run of k, from `k` on. */
  readonly begin?: string;
  /**
   * Statements that declare a vector `v` of the four at `k`: zero from `last` on; whatever beyond the last row or column.
   * They run in a loop: as many loads unrolled compile for seconds on software GPUs.
   */
  readonly load?: string;
  /** Instead, where memory has vectors: unrolled; along k they declare v0 to v3, of k, k + 1, k + 2 and k + 3. */
  readonly loadVectors?: string;
}

/** What a family adds to a block's text: how its operands are loaded and its sums stored. */
export interface BlockText {
  /** Declares `last` and `first`: the stretch of k that part `slice` sums. */
  readonly range: string;
  /** Loads the left factor, [m,k]. */
  readonly a: Loader;
  /** Loads the right factor, [k,n]. */
  readonly b: Loader;
  /** Functions for the following. */
  readonly declarations: string;
  /** Statements that find out where the four columns from `n` on go. */
  readonly columns: string;
  /** Statement that stores a vector of sums of these columns, in row `m`. */
  readonly store: (m: string, sums: string) => string;
}

/** Statements that fill a tile, and which four of its rows or columns an invocation loads. */
function fill(tile: 'A' | 'B', extent: number, depth: number, invocations: number, loader: Loader, put: Put) {
  const { along, begin = '', load, loadVectors } = loader;
  const quads = extent / 4;
  if (along === 'k') {
    const runs = depth / 4;
    const quad = `lane / ${runs}u`;
    const at = `lane % ${runs}u * 4u`;
    const text = loadVectors
      ? `{
      let at = ${at};
      let k = k0 + at;
      ${loadVectors}
      ${each(4, (i) => put(tile, `at + ${i}u`, quad, `v${i}`))}
    }`
      : `{
      var at = ${at};
      var k = k0 + at;
      let runEnd = k + 4u;
      ${begin}
      for (; k < runEnd; k++) {
        ${load}
        ${put(tile, 'at', quad, 'v')}
        at++;
      }
    }`;
    return { quad, text: quads * runs < invocations ? `if (lane < ${quads * runs}u) ${text}` : text };
  }
  const step = invocations / quads;
  const quad = `lane % ${quads}u`;
  const text = loadVectors
    ? each(
        depth / step,
        (i) => `{
      let at = lane / ${quads}u + ${i * step}u;
      let k = k0 + at;
      ${loadVectors}
      ${put(tile, 'at', quad, 'v')}
    }`,
      )
    : `for (var at = lane / ${quads}u; at < ${depth}u; at += ${step}u) {
      let k = k0 + at;
      ${load}
      ${put(tile, 'at', quad, 'v')}
    }`;
  return { quad, text };
}

/** Text that puts a vector of four into a tile. */
type Put = (tile: 'A' | 'B', k: string, quad: string, vector: string) => string;

/**
 * The kernel: `groups.x`·`groups.y` tiles of columns, `u.rowTiles` tiles of rows times slices along z.
 */
const head = (c: { rows: number; columns: number }, invocations: number, builtins: string): string => `
@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32${builtins}) {
  let m0 = group.z % u.rowTiles * ${c.rows}u;
  let slice = group.z / u.rowTiles;
  let n0 = (group.y * groups.x + group.x) * ${c.columns}u;`;

/** Multiplies in registers. */
function registerSource(c: RegisterBlock & { half: boolean }, text: BlockText): string {
  const { rows, columns, depth, height, width, half } = c;
  const invocations = invocationsOf(c);
  const lanesX = columns / width;
  const vector = vectorType(half);
  // An invocation's rows come in quads that lie `rows`/quads apart, so that neighbours read neighbouring vectors.
  const quadsY = height / 4;
  const quadsX = width / 4;
  const put: Put = (tile, k, quad, value) =>
    `tile${tile}[(${k}) * ${(tile === 'A' ? rows : columns) / 4}u + ${quad}] = ${value};`;
  const fillA = fill('A', rows, depth, invocations, text.a, put);
  const fillB = fill('B', columns, depth, invocations, text.b, put);
  // Partly unrolled: a loop of its own for every k costs hardware a fifth, all of them compile for seconds on software GPUs.
  const unroll = height * width > 16 ? 2 : 4;
  const wide = (value: string): string => (half ? `vec4f(${value})` : value);
  const product = (k: number): string => `{
        ${each(quadsY, (y) => `let a${y} = ${wide(`tileA[(k + ${k}u) * ${rows / 4}u + ty + ${(y * rows) / 4 / quadsY}u]`)};`)}
        ${each(quadsX, (x) => `let b${x} = ${wide(`tileB[(k + ${k}u) * ${columns / 4}u + tx + ${(x * columns) / 4 / quadsX}u]`)};`)}
        ${each(height, (r) => each(quadsX, (x) => `c${r}_${x} += a${r >> 2}[${r & 3}] * b${x};`, ' '))}
      }`;
  return `
${half ? 'enable f16;' : ''}
var<workgroup> tileA: array<${vector}, ${(depth * rows) / 4}>;
var<workgroup> tileB: array<${vector}, ${(depth * columns) / 4}>;
${text.declarations}
${head(c, invocations, '')}
  ${text.range}
  let tx = lane % ${lanesX}u;
  let ty = lane / ${lanesX}u;
  let atA = m0 + ${fillA.quad} * 4u;
  let atB = n0 + ${fillB.quad} * 4u;
  ${text.a.setup('atA')}
  ${text.b.setup('atB')}
  ${each(height, (r) => each(quadsX, (x) => `var c${r}_${x} = vec4f();`, ' '))}
  for (var k0 = first; k0 < last; k0 += ${depth}u) {
    ${fillA.text}
    ${fillB.text}
    workgroupBarrier();
    for (var k = 0u; k < min(${depth}u, last - k0); k += ${unroll}u) {
      ${each(unroll, product)}
    }
    workgroupBarrier();
  }
  ${each(
    quadsX,
    (x) => `{
    let n = n0 + tx * 4u + ${(x * columns) / quadsX}u;
    ${text.columns}
    ${each(height, (r) => text.store(`m0 + ty * 4u + ${((r >> 2) * rows) / quadsY + (r & 3)}u`, `c${r}_${x}`))}
  }`,
  )}
}`;
}

interface MatrixConstants {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly half: boolean;
  /** Sizes of one subgroup matrix. */
  readonly unitM: number;
  readonly unitN: number;
  readonly unitK: number;
  readonly subgroup: number;
}

/** Elements from one k of a tile to the next: rows start on different banks, and on multiples of 16 bytes. */
const pitch = (extent: number, half: boolean): number => extent + (half ? 8 : 4);

const matrixWorkgroupBytes = (c: MatrixConstants): number =>
  (c.half ? 2 : 4) * ((c.depth + 1) * (pitch(c.rows, c.half) + pitch(c.columns, c.half))) +
  (4 * SUBGROUPS * c.unitM * c.columns) / SIDE;

/**
 * Multiplies in subgroup matrices (Dawn's chromium-experimental-subgroup-matrix; proposals/subgroup-matrix.md of gpuweb).
 * Loads and stores of a matrix go through workgroup memory, where edges are filled up and epilogues can reach the sums.
 */
function matrixSource(c: MatrixConstants, text: BlockText): string {
  const { rows, columns, depth, half, unitM, unitN, unitK, subgroup } = c;
  const invocations = SUBGROUPS * subgroup;
  const scalar = scalarType(half);
  const pitchA = pitch(rows, half);
  const pitchB = pitch(columns, half);
  const tilesY = rows / SIDE / unitM;
  const tilesX = columns / SIDE / unitN;
  const put: Put = (tile, k, quad, value) =>
    `{ let to = (${k}) * ${tile === 'A' ? pitchA : pitchB}u + (${quad}) * 4u; ${each(4, (i) => `tile${tile}[to + ${i}u] = ${value}[${i}];`, ' ')} }`;
  const fillA = fill('A', rows, depth, invocations, text.a, put);
  const fillB = fill('B', columns, depth, invocations, text.b, put);
  const left = `subgroup_matrix_left<${scalar}, ${unitK}, ${unitM}>`;
  const right = `subgroup_matrix_right<${scalar}, ${unitN}, ${unitK}>`;
  const stripColumns = columns / SIDE;
  const strip = unitM * stripColumns;
  const step = (k: number): string => `{
      ${each(tilesY, (y) => `let l${y} = subgroupMatrixLoad<${left}, col_major>(&tileA, ${k * pitchA + y * unitM}u + rowAt, ${pitchA}u);`)}
      ${each(tilesX, (x) => `let r${x} = subgroupMatrixLoad<${right}, row_major>(&tileB, ${k * pitchB + x * unitN}u + columnAt, ${pitchB}u);`)}
      ${each(tilesY, (y) => each(tilesX, (x) => `c${y}_${x} = subgroupMatrixMultiplyAccumulate(l${y}, r${x}, c${y}_${x});`, ' '))}
    }`;
  // A row of matrices at a time.
  const drain = (y: number): string => `
  ${each(tilesX, (x) => `subgroupMatrixStore<row_major>(&sums, subgroup * ${strip}u + ${x * unitN}u, c${y}_${x}, ${stripColumns}u);`)}
  workgroupBarrier();
  for (var i = member; i < ${strip / 4}u; i += ${subgroup}u) {
    let quad = subgroup * ${strip}u + i * 4u;
    let m = m0 + rowAt + ${y * unitM}u + i / ${stripColumns / 4}u;
    let n = n0 + columnAt + i % ${stripColumns / 4}u * 4u;
    ${text.columns}
    ${text.store('m', 'vec4f(sums[quad], sums[quad + 1u], sums[quad + 2u], sums[quad + 3u])')}
  }
  workgroupBarrier();`;
  return `
enable subgroups;
enable chromium_experimental_subgroup_matrix;
${half ? 'enable f16;' : ''}
// Offsets depend on the subgroup, of which the uniformity analysis of workgroups knows nothing.
diagnostic(off, chromium.subgroup_matrix_uniformity);
// A load may reach the end of the row it ends in: one row more.
var<workgroup> tileA: array<${scalar}, ${(depth + 1) * pitchA}>;
var<workgroup> tileB: array<${scalar}, ${(depth + 1) * pitchB}>;
var<workgroup> sums: array<f32, ${SUBGROUPS * strip}>;
${text.declarations}
${head(c, invocations, ',\n  @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) member: u32')}
  ${text.range}
  let atA = m0 + ${fillA.quad} * 4u;
  let atB = n0 + ${fillB.quad} * 4u;
  ${text.a.setup('atA')}
  ${text.b.setup('atB')}
  let rowAt = subgroup / ${SIDE}u * ${rows / SIDE}u;
  let columnAt = subgroup % ${SIDE}u * ${columns / SIDE}u;
  ${each(tilesY, (y) => each(tilesX, (x) => `var c${y}_${x} = subgroup_matrix_result<f32, ${unitN}, ${unitM}>();`))}
  for (var k0 = first; k0 < last; k0 += ${depth}u) {
    ${fillA.text}
    ${fillB.text}
    workgroupBarrier();
    ${each(depth / unitK, (i) => step(i * unitK))}
    workgroupBarrier();
  }
  ${each(tilesY, drain)}
}`;
}
