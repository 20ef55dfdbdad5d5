/** The least of n f32: the same two dispatches as the sums, see reduce.ts. */
import { defineKernel, type Kernel, read, u32, wgsl, write } from '../kernel.ts';
import { partialSums } from './reduce.ts';

const WORKGROUP = 64;

/**
 * partial[p] = min x[i] over the p-th interleaved share of x[0…n). `partial` has {@link partialSums}(n) elements;
 * reducing those with `partials: 1` gives the minimum.
 */
export function minimum({ n, partials = partialSums(n) }: { n: number; partials?: number }): Kernel<'x' | 'partial'> {
  return defineKernel({
    name: 'reduce.minimum',
    bindings: { x: read(), partial: write() },
    uniforms: { n: u32(n), partials: u32(partials) },
    grid: [partials, 1, 1],
    flops: n,
    bytes: 4 * n,
    source: () => wgsl`
var<workgroup> least: array<f32, ${WORKGROUP}>;
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  // A share may be shorter than the workgroup: every invocation starts from an element that exists.
  var mine = x[min(group.x * ${WORKGROUP}u + lane, u.n - 1u)];
  for (var i = group.x * ${WORKGROUP}u + lane; i < u.n; i += u.partials * ${WORKGROUP}u) { mine = min(mine, x[i]); }
  least[lane] = mine;
  workgroupBarrier();
  if (lane == 0u) {
    for (var k = 1u; k < ${WORKGROUP}u; k++) { mine = min(mine, least[k]); }
    partial[group.x] = mine;
  }
}`,
  });
}
