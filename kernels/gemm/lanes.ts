/**
 * The matrix product with a lane per column: a subgroup computes `rows` rows of subgroup-size × `columns` columns of C.
 * Its lanes fetch the column of A together, each another row, and broadcast it; every lane loads its own columns of B.
 * No workgroup memory, no barrier, transposes are strides: one pipeline serves all. The fastest on software GPUs.
 */
import { defineKernel, each, type Kernel, read, u32, wgsl, write } from '../kernel.ts';
import { type GemmEpilogue, type GemmShape, gemmBytes, gemmFlops } from './shape.ts';

/** Tile of a subgroup; all sizes are constants of the kernel. */
export interface GemmLanes {
  /** Rows of C that a subgroup computes. */
  readonly rows: number;
  /** Columns of C that a lane computes. */
  readonly columns: number;
  /** The subgroup size the kernel is written for. */
  readonly subgroup: number;
}

/**
 * C = op(A)·op(B) through the epilogue, or with `depth` < k the partial products [⌈k/depth⌉, m, n] of consecutive
 * stretches of k (then without epilogue).
 * Binds a [m,k] or [k,m], b [k,n] or [n,k], bias [n] (any f32 tensor when there is none), c [m,n] or the partial
 * products.
 */
export function gemmLanes(
  shape: GemmShape,
  tile: GemmLanes,
  { bias = false, relu = false, accumulate = false }: GemmEpilogue,
  depth: number = Math.max(1, shape.k),
): Kernel<'a' | 'b' | 'bias' | 'c'> {
  const { m, n, k, transposeA = false, transposeB = false } = shape;
  return defineKernel({
    name: 'gemm.lanes',
    constants: { ...tile },
    bindings: { a: read(), b: read(), bias: read(), c: write() },
    uniforms: {
      m: u32(m),
      n: u32(n),
      k: u32(k),
      depth: u32(depth),
      // Elements from one row of op(A) to the next, from one k to the next; from one k of op(B), from one column.
      strideAM: u32(transposeA ? 1 : k),
      strideAK: u32(transposeA ? m : 1),
      strideBK: u32(transposeB ? 1 : n),
      strideBN: u32(transposeB ? k : 1),
      useBias: u32(bias ? 1 : 0),
      relu: u32(relu ? 1 : 0),
      accumulate: u32(accumulate ? 1 : 0),
    },
    grid: [Math.ceil(n / (tile.columns * tile.subgroup)), Math.ceil(m / tile.rows), Math.max(1, Math.ceil(k / depth))],
    requires: { features: ['subgroups'], subgroupSize: tile.subgroup },
    flops: gemmFlops(shape),
    bytes: gemmBytes(shape),
    source: ({ rows, columns, subgroup }) => {
      const shares = Math.ceil(rows / subgroup);
      return wgsl`
enable subgroups;
diagnostic(off, subgroup_uniformity);
@compute @workgroup_size(${subgroup})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let m0 = group.y * ${rows}u;
  let n0 = group.x * ${columns * subgroup}u + lane;
  let first = group.z * u.depth;
  let last = min(first + u.depth, u.k);
  ${each(shares, (j) => `var atA${j} = min(m0 + lane + ${j * subgroup}u, u.m - 1u) * u.strideAM + first * u.strideAK;`)}
  ${each(columns, (v) => `var atB${v} = min(n0 + ${v * subgroup}u, u.n - 1u) * u.strideBN + first * u.strideBK;`)}
  ${each(rows * columns, (i) => `var c${i} = 0.0;`, ' ')}
  for (var k = first; k < last; k++) {
    ${each(shares, (j) => `let a${j} = a[atA${j}]; atA${j} += u.strideAK;`)}
    ${each(columns, (v) => `let b${v} = b[atB${v}]; atB${v} += u.strideBK;`)}
    ${each(rows, (r) => `{ let f = subgroupBroadcast(a${Math.floor(r / subgroup)}, ${r % subgroup}u); ${each(columns, (v) => `c${r * columns + v} += f * b${v};`, ' ')} }`)}
  }
  // Loops over an array compile many times faster than as many guarded stores, unless they are unrolled again:
  // they start from a number known only at run time.
  var sums = array<f32, ${rows * columns}>(${each(rows * columns, (i) => `c${i}`, ', ')});
  for (var row = m0; row < min(m0 + ${rows}u, u.m); row++) {
    var next = (row - m0) * ${columns}u;
    for (var column = n0; column < min(n0 + ${columns * subgroup}u, u.n); column += ${subgroup}u) {
      let at = (group.z * u.m + row) * u.n + column;
      var sum = sums[next];
      if (u.useBias == 1u) { sum += bias[column]; }
      if (u.relu == 1u) { sum = max(sum, 0.0); }
      if (u.accumulate == 1u) { sum += c[at]; }
      c[at] = sum;
      next++;
    }
  }
}`;
    },
  });
}
