/**
 * Sums of flat f32 arrays, the same in every run: no atomics, a fixed order.
 *
 * Large arrays take two dispatches: `partials` workgroups each sum a share, then one workgroup sums the partial sums.
 * CPU references: reduce.reference.ts.
 */
import { defineKernel, type Kernel, read, u32, wgsl, write } from '../kernel.ts';
import { workgroupSum } from './workgroup-sum.ts';

const WORKGROUP = 64;
/** Terms that one workgroup sums before another one pays. */
const SHARE = 4096;
const MAX_PARTIALS = 256;

/** How many partial sums an array of n elements is worth. */
export const partialSums = (n: number): number => Math.min(MAX_PARTIALS, Math.max(1, Math.ceil(n / SHARE)));

/**
 * partial[offset + p] = Σ f(x[i]) over the p-th interleaved share of x[0…n), f the identity or the square, for
 * p < `partials`. Summing the partial sums with `partials: 1` gives the total; `offset` lets several arrays share one
 * list of partial sums.
 */
export function sum({
  n,
  square,
  partials = partialSums(n),
  offset = 0,
}: {
  n: number;
  square: boolean;
  partials?: number;
  offset?: number;
}): Kernel<'x' | 'partial'> {
  return defineKernel({
    name: 'reduce.sum',
    constants: { square },
    bindings: { x: read(), partial: write() },
    uniforms: { n: u32(n), partials: u32(partials), offset: u32(offset) },
    grid: [partials, 1, 1],
    flops: square ? 2 * n : n,
    bytes: 4 * n,
    source: (c) => wgsl`${workgroupSum(WORKGROUP)}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  var sum = 0.0;
  for (var i = group.x * ${WORKGROUP}u + lane; i < u.n; i += u.partials * ${WORKGROUP}u) {
#if ${c.square}
    sum += x[i] * x[i];
#else
    sum += x[i];
#endif
  }
  let total = workgroupSum(sum, lane);
  if (lane == 0u) { partial[u.offset + group.x] = total; }
}`,
  });
}
