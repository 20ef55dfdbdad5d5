/** Counts NaN and infinite values by their bits: WGSL compilers may assume that comparisons never meet them. */
import { defineKernel, type Kernel, read, u32, wgsl, write } from '../kernel.ts';
import { workgroupSum } from './workgroup-sum.ts';

const WORKGROUP = 64;

/**
 * counts[offset + p] = how many values of the p-th interleaved share of x[0…n) are NaN or infinite, p < `partials`, as
 * f32 (exact up to 2^24).
 */
export function countNonFinite({
  n,
  partials,
  offset,
}: {
  n: number;
  partials: number;
  offset: number;
}): Kernel<'x' | 'counts'> {
  return defineKernel({
    name: 'reduce.countNonFinite',
    bindings: { x: read(), counts: write() },
    uniforms: { n: u32(n), partials: u32(partials), offset: u32(offset) },
    grid: [partials, 1, 1],
    bytes: 4 * n,
    source: () => wgsl`${workgroupSum(WORKGROUP)}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  var count = 0u;
  for (var i = group.x * ${WORKGROUP}u + lane; i < u.n; i += u.partials * ${WORKGROUP}u) {
    if ((bitcast<u32>(x[i]) & 0x7f800000u) == 0x7f800000u) { count += 1u; }
  }
  let total = workgroupSum(f32(count), lane);
  if (lane == 0u) { counts[u.offset + group.x] = total; }
}`,
  });
}
