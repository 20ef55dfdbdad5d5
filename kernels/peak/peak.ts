/**
 * Peaks of class response maps x [B, C, H, W] (peak_stimulation, lib/prm/prm_modules.py) and the elementwise parts of
 * excitation back-propagation through a convolution (pr_conv2d).
 *
 * - `peakStimulation`          marks the peaks of every map and averages their values
 * - `peakStimulationBackward`  dx = peakMap · dy, not divided by the number of peaks
 * - `shiftByMinimum`           x − min x
 * - `excite`                   g / (|norm| + ε), 0 where norm < ε
 *
 * CPU references: peak.reference.ts.
 */
import { defineKernel, f32, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '../kernel.ts';
import { workgroupSum } from '../reduce/workgroup-sum.ts';

const WORKGROUP = 256;

/** What a peak must reach besides being the maximum of its window: a statistic of its map, a number, or nothing. */
export type PeakFilter = 'median' | 'mean' | 'max' | number | null;

/**
 * A position is a peak if it is the first maximum, row by row, of the `window` × `window` square around it and reaches
 * the filter of its map. Then aggregation[b, c] is the mean of the map's peak values: 0/0 = NaN without a peak.
 * The median is the lower one, found exactly by counting digits of 8 bits (radix selection).
 * A workgroup takes a map: `maps` = B·C, peakMap u32 0 or 1, aggregation [B·C].
 * Binds x [B, C, H, W] and the outputs.
 */
export function peakStimulation({
  maps,
  height,
  width,
  window,
  filter,
}: {
  maps: number;
  height: number;
  width: number;
  window: number;
  filter: PeakFilter;
}): Kernel<'x' | 'peakMap' | 'aggregation'> {
  const n = height * width;
  return defineKernel({
    name: 'peak.peakStimulation',
    constants: { filter: typeof filter === 'number' ? 'value' : (filter ?? 'none') },
    bindings: { x: read(), peakMap: write('u32'), aggregation: write() },
    uniforms: {
      height: u32(height),
      width: u32(width),
      reach: u32((window - 1) / 2),
      value: f32(typeof filter === 'number' ? filter : 0),
    },
    grid: [maps, 1, 1],
    flops: maps * n * window * window,
    bytes: 8 * maps * n,
    source: (c) => wgsl`${workgroupSum(WORKGROUP)}
#if ${c.filter === 'median' || c.filter === 'max'}
var<workgroup> histogram: array<atomic<u32>, 256>;
var<workgroup> chosenPrefix: u32;
var<workgroup> chosenRank: u32;

// Orders as the floats do.
fn sortKey(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}
// The value of the map that has wantedRank others before it in order, found digit by digit from the highest.
fn selectRank(wantedRank: u32, t: u32, base: u32, n: u32) -> f32 {
  var prefix = 0u;
  var rank = wantedRank;
  for (var shift = 32u; shift > 0u; ) {
    shift -= 8u;
    atomicStore(&histogram[t], 0u);
    workgroupBarrier();
    for (var p = t; p < n; p += ${WORKGROUP}u) {
      let key = sortKey(x[base + p]) >> shift;
      if ((key >> 8u) == prefix) { atomicAdd(&histogram[key & 255u], 1u); }
    }
    workgroupBarrier();
    if (t == 0u) {
      var left = rank;
      var digit = 0u;
      for (; digit < 255u; digit++) {
        let inBin = atomicLoad(&histogram[digit]);
        if (left < inBin) { break; }
        left -= inBin;
      }
      chosenPrefix = (prefix << 8u) | digit;
      chosenRank = left;
    }
    prefix = workgroupUniformLoad(&chosenPrefix);
    rank = workgroupUniformLoad(&chosenRank);
  }
  return bitcast<f32>(select(~prefix, prefix ^ 0x80000000u, (prefix >> 31u) == 1u));
}
#endif

// Nothing in the window is greater, nor equal and before it.
fn isFirstMaximum(base: u32, p: u32) -> bool {
  let row = p / u.width;
  let column = p % u.width;
  let value = x[base + p];
  for (var qy = max(row, u.reach) - u.reach; qy <= min(row + u.reach, u.height - 1u); qy++) {
    for (var qx = max(column, u.reach) - u.reach; qx <= min(column + u.reach, u.width - 1u); qx++) {
      let q = qy * u.width + qx;
      let other = x[base + q];
      if (other > value || (other == value && q < p)) { return false; }
    }
  }
  return true;
}

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32) {
  let n = u.height * u.width;
  let base = group.x * n;
#if ${c.filter === 'median'}
  let least = selectRank((n - 1u) / 2u, t, base, n);
#elif ${c.filter === 'max'}
  let least = selectRank(n - 1u, t, base, n);
#elif ${c.filter === 'mean'}
  var share = 0.0;
  for (var p = t; p < n; p += ${WORKGROUP}u) { share += x[base + p]; }
  let least = workgroupSum(share, t) / f32(n);
#elif ${c.filter === 'value'}
  let least = u.value;
#endif
  var sum = 0.0;
  var count = 0.0;
  for (var p = t; p < n; p += ${WORKGROUP}u) {
    let value = x[base + p];
#if ${c.filter === 'none'}
    let peak = isFirstMaximum(base, p);
#else
    let peak = value >= least && isFirstMaximum(base, p);
#endif
    peakMap[base + p] = select(0u, 1u, peak);
    sum += select(0.0, value, peak);
    count += select(0.0, 1.0, peak);
  }
  let total = workgroupSum(sum, t);
  let peaks = workgroupSum(count, t);
  if (t == 0u) { aggregation[group.x] = total / peaks; }
}`,
  });
}

/** dx (+)= peakMap · dy[map], n elements of maps of `pixels` each. */
export function peakStimulationBackward({
  maps,
  pixels,
  accumulate,
}: {
  maps: number;
  pixels: number;
  accumulate: boolean;
}): Kernel<'dy' | 'peakMap' | 'dx'> {
  const n = maps * pixels;
  return defineKernel({
    name: 'peak.peakStimulationBackward',
    bindings: { dy: read(), peakMap: read('u32'), dx: write() },
    uniforms: { n: u32(n), pixels: u32(pixels), accumulate: u32(accumulate ? 1 : 0) },
    grid: linearGrid(n, 64),
    bytes: 8 * n,
    source: () => wgsl`${linearIndex(64)}
  if (i >= u.n) { return; }
  let g = select(0.0, dy[i / u.pixels], peakMap[i] == 1u);
  dx[i] = g + select(0.0, dx[i], u.accumulate == 1u);
}`,
  });
}

/** y = x − minimum[0] of n elements. */
export function shiftByMinimum({ n }: { n: number }): Kernel<'x' | 'minimum' | 'y'> {
  return defineKernel({
    name: 'peak.shiftByMinimum',
    bindings: { x: read(), minimum: read(), y: write() },
    uniforms: { n: u32(n) },
    grid: linearGrid(n, 64),
    flops: n,
    bytes: 8 * n,
    source: () => wgsl`${linearIndex(64)}
  if (i < u.n) { y[i] = x[i] - minimum[0]; }
}`,
  });
}

/**
 * excitation = g / (|norm| + ε), 0 where norm < ε; ε = 1e-10 (PostHook). n elements.
 * Binds g, norm and excitation [n].
 */
export function excite({ n }: { n: number }): Kernel<'g' | 'norm' | 'excitation'> {
  return defineKernel({
    name: 'peak.excite',
    bindings: { g: read(), norm: read(), excitation: write() },
    uniforms: { n: u32(n), epsilon: f32(1e-10) },
    grid: linearGrid(n, 64),
    flops: 3 * n,
    bytes: 12 * n,
    source: () => wgsl`${linearIndex(64)}
  if (i >= u.n) { return; }
  let sum = norm[i];
  // A select would still divide by zero.
  if (sum < u.epsilon) {
    excitation[i] = 0.0;
  } else {
    excitation[i] = g[i] / (abs(sum) + u.epsilon);
  }
}`,
  });
}
