/**
 * The portable matrix product: workgroup-memory tiles of 32×32 outputs by 16 of k, 4×4 outputs an invocation, no
 * subgroups. Transposes are strides; only which index runs along the loading lanes is baked in, so that loads coalesce.
 */
import { defineKernel, type Kernel, read, u32, wgsl, write } from '../kernel.ts';
import { type GemmEpilogue, type GemmShape, gemmBytes, gemmFlops } from './shape.ts';

export const TILE = 32;
const DEPTH = 16;
const THREADS = 64;

/**
 * C, or with `depth` < k the partial products [⌈k/depth⌉, m, n] of consecutive stretches of k (then without epilogue).
 * Bind any f32 tensor as bias when there is none.
 */
export function gemmTiled(
  shape: GemmShape,
  { bias = false, relu = false, accumulate = false }: GemmEpilogue,
  depth: number = Math.max(1, shape.k),
): Kernel<'a' | 'b' | 'bias' | 'c'> {
  const { m, n, k, transposeA = false, transposeB = false } = shape;
  return defineKernel({
    name: 'gemm.tiled',
    constants: { transposeA, transposeB },
    bindings: { a: read(), b: read(), bias: read(), c: write() },
    uniforms: {
      m: u32(m),
      n: u32(n),
      k: u32(k),
      depth: u32(depth),
      useBias: u32(bias ? 1 : 0),
      relu: u32(relu ? 1 : 0),
      accumulate: u32(accumulate ? 1 : 0),
    },
    grid: [Math.ceil(n / TILE), Math.ceil(m / TILE), Math.max(1, Math.ceil(k / depth))],
    flops: gemmFlops(shape),
    bytes: gemmBytes(shape),
    source: (c) => wgsl`
var<workgroup> tileA: array<f32, ${DEPTH * TILE}>; // [k][m]
var<workgroup> tileB: array<f32, ${DEPTH * TILE}>; // [k][n]
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let m0 = group.y * ${TILE}u;
  let n0 = group.x * ${TILE}u;
  let first = group.z * u.depth;
  let last = min(first + u.depth, u.k);
  let tm = lane / 8u * 4u;
  let tn = lane % 8u * 4u;
  var row0 = vec4f();
  var row1 = vec4f();
  var row2 = vec4f();
  var row3 = vec4f();
  for (var k0 = first; k0 < last; k0 += ${DEPTH}u) {
    for (var i = lane; i < ${DEPTH * TILE}u; i += ${THREADS}u) {
#if ${c.transposeA}
      let am = i % ${TILE}u;
      let ak = i / ${TILE}u;
      let ai = (k0 + ak) * u.m + m0 + am;
#else
      let am = i / ${DEPTH}u;
      let ak = i % ${DEPTH}u;
      let ai = (m0 + am) * u.k + k0 + ak;
#endif
#if ${c.transposeB}
      let bn = i / ${DEPTH}u;
      let bk = i % ${DEPTH}u;
      let bi = (n0 + bn) * u.k + k0 + bk;
#else
      let bn = i % ${TILE}u;
      let bk = i / ${TILE}u;
      let bi = (k0 + bk) * u.n + n0 + bn;
#endif
      tileA[ak * ${TILE}u + am] = select(0.0, a[ai], m0 + am < u.m && k0 + ak < last);
      tileB[bk * ${TILE}u + bn] = select(0.0, b[bi], n0 + bn < u.n && k0 + bk < last);
    }
    workgroupBarrier();
    // A bound known only at run time: unrolled, this compiles for seconds on software GPUs.
    for (var k = 0u; k < min(${DEPTH}u, last - k0); k++) {
      let at = k * ${TILE}u + tm;
      let bt = k * ${TILE}u + tn;
      let q = vec4f(tileB[bt], tileB[bt + 1u], tileB[bt + 2u], tileB[bt + 3u]);
      row0 += tileA[at] * q;
      row1 += tileA[at + 1u] * q;
      row2 += tileA[at + 2u] * q;
      row3 += tileA[at + 3u] * q;
    }
    workgroupBarrier();
  }
  var rows = mat4x4f(row0, row1, row2, row3);
  for (var mi = m0 + tm; mi < min(m0 + tm + 4u, u.m); mi++) {
    for (var nj = n0 + tn; nj < min(n0 + tn + 4u, u.n); nj++) {
      let at = (group.z * u.m + mi) * u.n + nj;
      var v = rows[mi - m0 - tm][nj - n0 - tn];
      if (u.useBias == 1u) { v += bias[nj]; }
      if (u.relu == 1u) { v = max(v, 0.0); }
      if (u.accumulate == 1u) { v += c[at]; }
      c[at] = v;
    }
  }
}`,
  });
}
