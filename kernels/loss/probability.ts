/** Size of the single workgroup that computes a loss, a square number (see reduce/workgroup-sum.ts). */
export const LOSS_WORKGROUP = 256;

/**
 * WGSL for probabilities: `clampScore(p)` to [1e-6, 1 − 1e-6], before every logarithm, and `passes(p)`, the derivative
 * of the clamp: 1 inside and at the bounds, 0 outside (torch.clamp).
 */
export const clampScore = `
const LOWEST = 1e-6f;
const HIGHEST = 0.999999f;
fn clampScore(p: f32) -> f32 { return clamp(p, LOWEST, HIGHEST); }
fn passes(p: f32) -> f32 { return select(0.0, 1.0, p >= LOWEST && p <= HIGHEST); }`;
