/**
 * Log-sum-exp pooling of response maps x [planes, area] to y [planes] (Pinheiro & Collobert, CVPR 2015), between their
 * mean (sharpness r → 0) and their maximum (r → ∞):
 *
 *     y = (1/r)·(ln Σ e^{r·x} − ln area)
 *
 * CPU reference: loss.reference.ts.
 */
import {
  defineKernel,
  f32,
  type Grid,
  type Kernel,
  linearGrid,
  linearIndex,
  MAX_GRID,
  read,
  u32,
  wgsl,
  write,
} from '../kernel.ts';

const WORKGROUP = 64;

/** Maps x [planes, area] and the sharpness of their pooling. */
export interface LogSumExpShape {
  /** B·C. */
  readonly planes: number;
  /** H·W. */
  readonly area: number;
  /** r. */
  readonly sharpness: number;
}

/** One workgroup a plane. */
const planeGrid = (planes: number): Grid => {
  const rows = Math.ceil(planes / MAX_GRID);
  return [Math.ceil(planes / rows), rows, 1];
};

/**
 * y = (1/r)·(ln Σ e^{r·x} − ln area) of every plane.
 * Binds x [planes, area] and y [planes].
 */
export function logSumExpPool({ planes, area, sharpness }: LogSumExpShape): Kernel<'x' | 'y'> {
  return defineKernel({
    name: 'loss.logSumExpPool',
    bindings: { x: read(), y: write() },
    uniforms: { planes: u32(planes), area: u32(area), sharpness: f32(sharpness) },
    grid: planeGrid(planes),
    flops: 4 * planes * area,
    bytes: 4 * planes * (area + 1),
    source: () => wgsl`
var<workgroup> maxima: array<f32, ${WORKGROUP}>;
var<workgroup> sums: array<f32, ${WORKGROUP}>;

@compute @workgroup_size(${WORKGROUP})
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let plane = workgroup.x + workgroup.y * workgroups.x;
  if (plane >= u.planes) { return; }
  var largest = -3.4028234e38;
  for (var i = local; i < u.area; i += ${WORKGROUP}u) { largest = max(largest, x[plane * u.area + i]); }
  maxima[local] = largest;
  workgroupBarrier();
  for (var i = 0u; i < ${WORKGROUP}u; i++) { largest = max(largest, maxima[i]); }

  // Relative to the maximum no exponential overflows.
  var sum = 0.0;
  for (var i = local; i < u.area; i += ${WORKGROUP}u) { sum += exp(u.sharpness * (x[plane * u.area + i] - largest)); }
  sums[local] = sum;
  workgroupBarrier();
  if (local == 0u) {
    for (var i = 1u; i < ${WORKGROUP}u; i++) { sum += sums[i]; }
    y[plane] = largest + log(sum / f32(u.area)) / u.sharpness;
  }
}`,
  });
}

/**
 * dx (+)= dy·e^{r·(x − y)}/area.
 * Binds dy [planes], x [planes, area], y [planes], dx [planes, area].
 */
export function logSumExpPoolBackward({
  planes,
  area,
  sharpness,
  accumulate,
}: LogSumExpShape & { accumulate: boolean }): Kernel<'dy' | 'x' | 'y' | 'dx'> {
  const n = planes * area;
  return defineKernel({
    name: 'loss.logSumExpPoolBackward',
    bindings: { dy: read(), x: read(), y: read(), dx: write() },
    uniforms: { n: u32(n), area: u32(area), sharpness: f32(sharpness), accumulate: u32(accumulate ? 1 : 0) },
    grid: linearGrid(n, WORKGROUP),
    flops: 5 * n,
    bytes: 8 * n,
    source: () => wgsl`${linearIndex(WORKGROUP)}
  if (i >= u.n) { return; }
  let plane = i / u.area;
  // At most the area: y is at least the maximum less ln(area)/r.
  let share = exp(u.sharpness * (x[i] - y[plane])) / f32(u.area);
  dx[i] = dy[plane] * share + select(0.0, dx[i], u.accumulate == 1u);
}`,
  });
}
