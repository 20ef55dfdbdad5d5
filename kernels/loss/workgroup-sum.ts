/** Size of the single workgroup that computes a loss; its sums have a fixed order, so results repeat bit for bit. */
export const LOSS_WORKGROUP = 256;

/**
 * WGSL `workgroupSum(local, value)`: the sum of `value` over the workgroup, to every invocation, as a tree. Call it in
 * uniform control flow.
 */
export const workgroupSum = `
var<workgroup> partial: array<vec4f, ${LOSS_WORKGROUP}>;
fn workgroupSum(local: u32, value: vec4f) -> vec4f {
  partial[local] = value;
  workgroupBarrier();
  for (var half = ${LOSS_WORKGROUP / 2}u; half > 0u; half >>= 1u) {
    if (local < half) { partial[local] += partial[local + half]; }
    workgroupBarrier();
  }
  let sum = partial[0];
  workgroupBarrier();
  return sum;
}`;

/**
 * WGSL for probabilities: `clampScore(p)` to [1e-6, 1 − 1e-6], before every logarithm, and `passes(p)`, the derivative
 * of the clamp: 1 inside and at the bounds, 0 outside (torch.clamp).
 */
export const clampScore = `
const LOWEST = 1e-6f;
const HIGHEST = 0.999999f;
fn clampScore(p: f32) -> f32 { return clamp(p, LOWEST, HIGHEST); }
fn passes(p: f32) -> f32 { return select(0.0, 1.0, p >= LOWEST && p <= HIGHEST); }`;
