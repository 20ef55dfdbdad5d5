/**
 * Multiple instance loss of the anti-noise branch (mil_bag_loss, lib/modeling/heads.py): mean over K columns of the
 * binary cross entropy of clamp(Σ_n cls[n, c]·det[n, c]) against the image's labels. K is C, or C+1 with the background
 * first, which is always positive. CPU reference: loss.reference.ts.
 */
import { defineKernel, f32, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '../kernel.ts';
import { workgroupSum } from '../reduce/workgroup-sum.ts';
import { clampScore, LOSS_WORKGROUP } from './probability.ts';

/** Class and detection scores [n, columns]. */
export interface MilBagShape {
  /** Proposals. */
  readonly n: number;
  /** K. */
  readonly columns: number;
}

/**
 * state [1 + K] = the loss, then per column its derivative by the column's sum. labels [classes].
 * Binds cls and det [N, K], labels of 0 or 1, and state.
 */
export function milBagLoss({
  n,
  columns,
  classes,
}: MilBagShape & { classes: number }): Kernel<'cls' | 'det' | 'labels' | 'state'> {
  return defineKernel({
    name: 'loss.milBag',
    bindings: { cls: read(), det: read(), labels: read(), state: write() },
    uniforms: { n: u32(n), columns: u32(columns), background: u32(columns - classes) },
    grid: [1, 1, 1],
    flops: 2 * n * columns,
    bytes: 8 * n * columns,
    source: () => wgsl`${workgroupSum(LOSS_WORKGROUP)}${clampScore}
var<workgroup> columnSums: array<f32, ${LOSS_WORKGROUP}>;

fn isPositive(column: u32) -> bool {
  if (column < u.background) { return true; }
  return labels[column - u.background] == 1.0;
}

@compute @workgroup_size(${LOSS_WORKGROUP})
fn main(@builtin(local_invocation_index) local: u32) {
  var loss = 0.0;
  // Neighbouring invocations read neighbouring columns; what is left of the workgroup shares the rows.
  for (var first = 0u; first < u.columns; first += ${LOSS_WORKGROUP}u) {
    let width = min(u.columns - first, ${LOSS_WORKGROUP}u);
    let lanes = ${LOSS_WORKGROUP}u / width;
    let lane = local / width;
    let column = first + local % width;
    var sum = 0.0;
    if (lane < lanes) {
      for (var row = lane; row < u.n; row += lanes) {
        let i = row * u.columns + column;
        sum += cls[i] * det[i];
      }
    }
    columnSums[local] = sum;
    workgroupBarrier();
    if (local < width) {
      for (var other = local + width; other < lanes * width; other += width) { sum += columnSums[other]; }
      let probability = clampScore(sum);
      let likelihood = select(1.0 - probability, probability, isPositive(column));
      loss -= log(likelihood);
      state[1u + column] = select(1.0, -1.0, isPositive(column)) * passes(sum) / (likelihood * f32(u.columns));
    }
    workgroupBarrier();
  }
  let total = workgroupSum(loss, local);
  if (local == 0u) { state[0] = total / f32(u.columns); }
}`,
  });
}

/**
 * dcls, ddet (+)= weight × gradients, from the `state` of {@link milBagLoss}.
 * Binds cls and det [N, K], state [1 + K], dcls and ddet [N, K].
 */
export function milBagLossBackward({
  n,
  columns,
  weight,
  accumulateCls,
  accumulateDet,
}: MilBagShape & { weight: number; accumulateCls: boolean; accumulateDet: boolean }): Kernel<
  'cls' | 'det' | 'state' | 'dcls' | 'ddet'
> {
  return defineKernel({
    name: 'loss.milBagBackward',
    bindings: { cls: read(), det: read(), state: read(), dcls: write(), ddet: write() },
    uniforms: {
      n: u32(n),
      columns: u32(columns),
      weight: f32(weight),
      accumulateCls: u32(accumulateCls ? 1 : 0),
      accumulateDet: u32(accumulateDet ? 1 : 0),
    },
    grid: linearGrid(n * columns, 64),
    flops: 3 * n * columns,
    bytes: 16 * n * columns,
    source: () => wgsl`${linearIndex(64)}
  if (i >= u.n * u.columns) { return; }
  let slope = u.weight * state[1u + i % u.columns];
  dcls[i] = slope * det[i] + select(0.0, dcls[i], u.accumulateCls == 1u);
  ddet[i] = slope * cls[i] + select(0.0, ddet[i], u.accumulateDet == 1u);
}`,
  });
}
