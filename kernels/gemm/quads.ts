/**
 * The matrix product, batched: a subgroup computes `rows` rows by `columns` columns of each of its lanes. Operands come as
 * vectors wherever four consecutive elements lie along k, rows or columns; the lanes fetch different rows of A and
 * broadcast them. The fastest on software GPUs where rows and columns are what vectors run along: then one step of k is
 * one turn of the loop, whose text stays small enough for the caches of instructions.
 */
import { defineKernel, each, type Kernel, read, u32, wgsl, write } from '../kernel.ts';
import { type GemmBatch, type GemmShape, gemmBytes, gemmFlops } from './shape.ts';

export interface GemmQuads {
  readonly rows: number;
  /** Columns of C that a lane computes: a multiple of 4. */
  readonly columns: number;
  /** Steps of k in one turn of the loop; {@link RUN} where vectors run along k. */
  readonly steps: number;
  readonly subgroup: number;
}

/** Elements of a vector. */
export const RUN = 4;

/** What follows the products: C = max(0, Σ + bias + residual, shaped like C) (+ C). */
export interface GemmQuadsEpilogue {
  /** A value for each column of C, or for each row. */
  readonly bias?: 'columns' | 'rows';
  readonly residual?: boolean;
  readonly relu?: boolean;
  readonly accumulate?: boolean;
}

/** How four elements of an operand are fetched: along k, along the rows of A or columns of B, or one by one. */
type Along = 'k' | 'across' | 'none';
interface Constants extends Record<string, number | boolean | string> {
  rows: number;
  columns: number;
  subgroup: number;
  alongA: Along;
  alongB: Along;
  steps: number;
  /** Whether k ends within a turn of the loop. */
  tail: boolean;
  /** Whether anything follows the products: guarded loads compile as long where they are not taken. */
  epilogue: boolean;
}

const whole = (...sizes: readonly number[]): boolean => sizes.every((size) => size % 4 === 0);
const BIAS = { columns: 1, rows: 2 } as const;

/** Which operands have been packed, see {@link pack}, in panels of a tile's rows or columns; B only where n is a multiple of 4. */
export interface Packed {
  readonly a: boolean;
  readonly b: boolean;
}
export const UNPACKED: Packed = { a: false, b: false };

/** How the operands of this shape can be fetched. */
export function quadsAccess(
  { m, n, k, transposeA, transposeB }: GemmShape,
  { strideA, strideB }: GemmBatch,
  packed: Packed = UNPACKED,
) {
  const along = (isPacked: boolean, byK: boolean, length: number, stride: number): Along => {
    if (isPacked) return 'across';
    return whole(byK ? k : length, stride) ? (byK ? 'k' : 'across') : 'none';
  };
  return {
    alongA: along(packed.a, !transposeA, m, strideA),
    alongB: along(packed.b, transposeB ?? false, n, strideB),
  };
}

/**
 * C [count, m, n], or with `depth` < k the partial products [count·⌈k/depth⌉, m, n] of consecutive stretches of k (then
 * without epilogue); `depth` is a multiple of 4. Bind any f32 tensor where there is no bias or residual.
 */
export function gemmQuads(
  shape: GemmShape,
  batch: GemmBatch,
  tile: GemmQuads,
  { bias, residual = false, relu = false, accumulate = false }: GemmQuadsEpilogue = {},
  depth: number = Math.max(4, 4 * Math.ceil(shape.k / 4)),
  packed: Packed = UNPACKED,
): Kernel<'a' | 'b' | 'bias' | 'residual' | 'c'> {
  const { m, n, k, transposeA = false, transposeB = false } = shape;
  const access = quadsAccess(shape, batch, packed);
  const width = tile.columns * tile.subgroup;
  const parts = Math.max(1, Math.ceil(k / depth));
  const element = (along: Along) => (along === 'none' ? 'f32' : 'vec4f');
  const stored = access.alongB === 'across' ? 'vec4f' : 'f32';
  return defineKernel({
    name: 'gemm.quads',
    constants: {
      ...tile,
      ...access,
      tail: k % tile.steps !== 0,
      epilogue: bias !== undefined || residual || relu || accumulate,
    },
    bindings: {
      a: read(element(access.alongA)),
      b: read(element(access.alongB)),
      bias: read(),
      residual: read(stored),
      c: write(stored),
    },
    uniforms: {
      m: u32(m),
      n: u32(n),
      k: u32(k),
      depth: u32(depth),
      parts: u32(parts),
      batchA: u32(batch.strideA),
      batchB: u32(batch.strideB),
      // Elements from one row of op(A) to the next, from one k to the next; from one k of op(B), from one column.
      strideAM: u32(transposeA ? 1 : k),
      strideAK: u32(packed.a ? tile.rows : transposeA ? m : 1),
      strideBK: u32(packed.b ? width : transposeB ? 1 : n),
      strideBN: u32(transposeB ? k : 1),
      // Elements from one tile of op(A), of op(B), to the next, where vectors run across.
      tileA: u32(packed.a ? tile.rows * k : tile.rows),
      tileB: u32(packed.b ? width * k : width),
      bias: u32(bias ? BIAS[bias] : 0),
      residual: u32(residual ? 1 : 0),
      relu: u32(relu ? 1 : 0),
      accumulate: u32(accumulate ? 1 : 0),
    },
    // Rows first: workgroups that follow each other share columns of B, which caches hold.
    grid: [Math.ceil(m / tile.rows), Math.ceil(n / width), batch.count * parts],
    requires: { features: ['subgroups'], subgroupSize: tile.subgroup },
    flops: batch.count * gemmFlops(shape),
    bytes: batch.count * gemmBytes(shape),
    source,
  });
}

const component = (i: number): string => 'xyzw'[i];

function source(c: Constants): string {
  const { rows, columns, subgroup, steps } = c;
  const a = operand('a', c.alongA, rows, c);
  const b = operand('b', c.alongB, columns * subgroup, c);
  const products = (row: number): string => {
    const factors = each(steps, (u) => {
      const { value, lane } = a.ofRow(row, u);
      return `let f${u} = subgroupBroadcast(${value}, ${lane}u);`;
    });
    const sums = each(columns, (v) => {
      const i = row * columns + v;
      return `c${i} = c${i} + ${each(steps, (u) => `f${u} * ${b.ofColumn(v, u)}`, ' + ')};`;
    });
    return `{ ${factors} ${sums} }`;
  };
  const vectors = c.alongB === 'across';
  const count = vectors ? (rows * columns) / 4 : rows * columns;
  const sum = (i: number) => (vectors ? `vec4f(${each(4, (q) => `c${4 * i + q}`, ', ')})` : `c${i}`);
  return wgsl`
enable subgroups;
diagnostic(off, subgroup_uniformity);
@compute @workgroup_size(${subgroup})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let m0 = group.x * ${rows}u;
  let n0 = group.y * ${columns * subgroup}u;
  let first = group.z % u.parts * u.depth;
  let last = min(first + u.depth, u.k);
  ${a.start('group.z / u.parts * u.batchA', 'group.x * u.tileA', 'm0', 'u.m', 'u.strideAM')}
  ${b.start('group.z / u.parts * u.batchB', 'group.y * u.tileB', 'n0', 'u.n', 'u.strideBN')}
  ${each(rows * columns, (i) => `var c${i} = 0.0;`, ' ')}
  for (var k = first; k < last; k += ${steps}u) {
    ${each(steps, (q) => (c.tail ? `let k${q} = min(k + ${q}u, last - 1u);` : `let k${q} = k + ${q}u;`))}
    ${a.fetch('u.strideAK')}
    ${b.fetch('u.strideBK')}
    ${each(rows, products)}
  }
  // Loops over an array compile many times faster than as many guarded stores, unless they are unrolled again:
  // they start from a number known only at run time.
  var sums = array<${vectors ? 'vec4f' : 'f32'}, ${count}>(${each(count, sum, ', ')});
  for (var row = m0; row < min(m0 + ${rows}u, u.m); row++) {
    var next = (row - m0) * ${count / rows}u;
#if ${vectors}
    for (var column = n0 + 4u * lane; column < min(n0 + ${columns * subgroup}u, u.n); column += ${4 * subgroup}u) {
      let at = ((group.z * u.m + row) * u.n + column) / 4u;
      var sum = sums[next];
#if ${c.epilogue}
      if (u.bias == 1u) { sum += vec4f(bias[column], bias[column + 1u], bias[column + 2u], bias[column + 3u]); }
      if (u.bias == 2u) { sum += bias[row]; }
#endif
#else
    for (var column = n0 + lane; column < min(n0 + ${columns * subgroup}u, u.n); column += ${subgroup}u) {
      let at = (group.z * u.m + row) * u.n + column;
      var sum = sums[next];
#if ${c.epilogue}
      if (u.bias == 1u) { sum += bias[column]; }
      if (u.bias == 2u) { sum += bias[row]; }
#endif
#endif
#if ${c.epilogue}
      if (u.residual == 1u) { sum += residual[at]; }
      if (u.relu == 1u) { sum = max(sum, ${vectors ? 'vec4f()' : '0.0'}); }
      if (u.accumulate == 1u) { sum += c[at]; }
#endif
      c[at] = sum;
      next++;
    }
  }
}`;
}

/** The loads of an operand's `length` rows (of A) or columns (of B) of a tile. */
function operand(name: 'a' | 'b', along: Along, length: number, { subgroup, steps, tail }: Constants) {
  // Loads that cover the length, each of one or four of it by a lane.
  const loads = Math.ceil(length / (along === 'across' ? 4 * subgroup : subgroup));
  // Where k ends within a turn, what lies beyond is multiplied by zero.
  const guard = (value: string, u: number, zero: string) =>
    tail && name === 'a' ? `select(${zero}, ${value}, k + ${u}u < last)` : value;
  const fetchers: Record<Along, (stride: string) => string> = {
    k: () => each(loads, (j) => `let ${name}${j} = ${name}[at_${name}${j} + k / 4u];`),
    across: (stride) =>
      each(steps, (u) =>
        each(loads, (j) => {
          const value = guard(`${name}[at_${name}${j} + k${u} * (${stride} / 4u)]`, u, 'vec4f()');
          return `let ${name}${u}_${j} = ${value};`;
        }),
      ),
    none: (stride) =>
      each(steps, (u) =>
        each(loads, (j) => `let ${name}${u}_${j} = ${guard(`${name}[at_${name}${j} + k${u} * ${stride}]`, u, '0.0')};`),
      ),
  };
  const value = (j: number, u: number, part: number): string =>
    along === 'k'
      ? `${name}${j}.${component(u)}`
      : `${name}${u}_${j}${along === 'across' ? `.${component(part)}` : ''}`;
  return {
    start: (base: string, tileAt: string, begin: string, end: string, stride: string): string =>
      each(loads, (j) => {
        if (along === 'across') {
          const quads = `min(${length / 4}u, (${end} - ${begin} + 3u) / 4u)`;
          return `let at_${name}${j} = (${base} + ${tileAt}) / 4u + min(lane + ${j * subgroup}u, ${quads} - 1u);`;
        }
        const at = `${base} + min(${begin} + lane + ${j * subgroup}u, ${end} - 1u) * ${stride}`;
        return `let at_${name}${j} = ${along === 'k' ? `(${at}) / 4u` : at};`;
      }),
    fetch: fetchers[along],
    /** Row r of the tile at the u-th step of a turn: in which value, of which lane. */
    ofRow(r: number, u: number) {
      const per = along === 'across' ? 4 : 1;
      const j = Math.floor(r / (per * subgroup));
      return { value: value(j, u, r % 4), lane: Math.floor(r / per) % subgroup };
    },
    /** The v-th column of a lane at the u-th step of a turn. */
    ofColumn: (v: number, u: number): string =>
      along === 'across' ? value(Math.floor(v / 4), u, v % 4) : value(v, u, 0),
  };
}
