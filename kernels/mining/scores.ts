/** The scores that mining reads: shapes and WGSL which its kernels share. */
import { u32 } from '../kernel.ts';

/** What the kernels of a strategy have in common. */
export interface MiningShape {
  /** Proposals. */
  readonly n: number;
  /** C, without the background. */
  readonly classes: number;
  /** C+1 or C. */
  readonly clsColumns: number;
  /** C+1, C or 1; 0 without a detector: then proposals are scored by cls alone, and det is unread. */
  readonly detColumns: number;
}

export const scoreUniforms = ({ n, classes, clsColumns, detColumns }: MiningShape) => ({
  n: u32(n),
  classes: u32(classes),
  clsColumns: u32(clsColumns),
  detColumns: u32(detColumns),
});

/**
 * WGSL `clsScore`, `detScore` and their product `jointScore` of a proposal for a class, 0 the first after the
 * background.
 */
export const scores = `
fn clsScore(proposal: u32, class_: u32) -> f32 {
  return cls[proposal * u.clsColumns + class_ + u.clsColumns - u.classes];
}
fn detScore(proposal: u32, class_: u32) -> f32 {
  if (u.detColumns == 0u) { return clsScore(proposal, class_); }
  if (u.detColumns == 1u) { return det[proposal]; }
  return det[proposal * u.detColumns + class_ + u.detColumns - u.classes];
}
fn jointScore(proposal: u32, class_: u32) -> f32 {
  if (u.detColumns == 0u) { return clsScore(proposal, class_); }
  return clsScore(proposal, class_) * detScore(proposal, class_);
}`;
