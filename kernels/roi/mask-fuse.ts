/**
 * The input of CIM's MaskFuse (section 3.3 of the paper; lib/modeling/HRNet.py:MaskFuse): RoI features x [R, C, S, S]
 * beside the same features inside the proposal's mask [R, S, S], y [R, 2C, S, S] = concat(x, x·mask).
 *
 * CPU reference: roi.reference.ts.
 */
import { defineKernel, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '../kernel.ts';

const WORKGROUP = 64;

/** x [rois, channels, bins] and masks [rois, bins]. */
export interface MaskFuseShape {
  /** R, the proposals. */
  readonly rois: number;
  /** C, of the box's features; twice as many come out. */
  readonly channels: number;
  /** S·S. */
  readonly bins: number;
}

const indices = `
  let bin = i % u.bins;
  let channel = (i / u.bins) % u.channels;
  let roi = i / (u.bins * u.channels);
  let whole = (roi * 2u * u.channels + channel) * u.bins + bin;
  let masked = whole + u.channels * u.bins;`;

/**
 * y [R, 2C, S, S] = concat(x, x·masks) of x [R, C, S, S] and masks [R, S, S]: what the proposal's box shows, beside
 * what its mask shows (section 3.3 of the paper; lib/modeling/HRNet.py:MaskFuse).
 */
export function maskFuse({ rois, channels, bins }: MaskFuseShape): Kernel<'x' | 'masks' | 'y'> {
  const items = rois * channels * bins;
  return defineKernel({
    name: 'roi.maskFuse',
    bindings: { x: read(), masks: read(), y: write() },
    uniforms: { items: u32(items), channels: u32(channels), bins: u32(bins) },
    grid: linearGrid(items, WORKGROUP),
    flops: items,
    bytes: 12 * items,
    source: () => wgsl`${linearIndex(WORKGROUP)}
  if (i >= u.items) { return; }${indices}
  y[whole] = x[i];
  y[masked] = x[i] * masks[roi * u.bins + bin];
}`,
  });
}

/**
 * dx (+)= dy of the features + mask · dy of the masked features. The mask is data: it has no gradient.
 * Binds dy [R, 2C, S, S], masks [R, S, S] and dx [R, C, S, S].
 */
export function maskFuseBackward({
  rois,
  channels,
  bins,
  accumulate,
}: MaskFuseShape & { accumulate: boolean }): Kernel<'dy' | 'masks' | 'dx'> {
  const items = rois * channels * bins;
  return defineKernel({
    name: 'roi.maskFuseBackward',
    bindings: { dy: read(), masks: read(), dx: write() },
    uniforms: { items: u32(items), channels: u32(channels), bins: u32(bins), accumulate: u32(accumulate ? 1 : 0) },
    grid: linearGrid(items, WORKGROUP),
    flops: 2 * items,
    bytes: 12 * items,
    source: () => wgsl`${linearIndex(WORKGROUP)}
  if (i >= u.items) { return; }${indices}
  let g = dy[whole] + masks[roi * u.bins + bin] * dy[masked];
  dx[i] = g + select(0.0, dx[i], u.accumulate == 1u);
}`,
  });
}
