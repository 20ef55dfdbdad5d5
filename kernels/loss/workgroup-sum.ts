/** Size of the single workgroup that computes a loss; its sums have a fixed order, so results repeat bit for bit. */
export const LOSS_WORKGROUP = 256;

/**
 * WGSL `workgroupSum(local, value)`: the sum of `value` over the workgroup, to every invocation. Call it in uniform
 * control flow. Two levels and not a tree: every barrier costs software drivers a tenth of a second or more to compile.
 */
export const workgroupSum = `
var<workgroup> values: array<vec4f, ${LOSS_WORKGROUP}>;
var<workgroup> groupSums: array<vec4f, 16>;
fn workgroupSum(local: u32, value: vec4f) -> vec4f {
  values[local] = value;
  workgroupBarrier();
  if (local < 16u) {
    var sum = vec4f();
    for (var i = local; i < ${LOSS_WORKGROUP}u; i += 16u) { sum += values[i]; }
    groupSums[local] = sum;
  }
  workgroupBarrier();
  var sum = vec4f();
  for (var i = 0u; i < 16u; i++) { sum += groupSums[i]; }
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
