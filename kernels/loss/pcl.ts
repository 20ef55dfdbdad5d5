/**
 * Proposal cluster learning (PCL_loss, lib/modeling/heads.py; Tang et al., arXiv:1807.03342) on class probabilities
 * cls [N, K], K = C+1, given `clusters` [N, K]: a row's single non-zero entry is its cluster number, in the column of
 * the cluster's class (0: background); a row of zeros is ignored.
 *
 *     12/(M + 1e-6) · Σ over clusters |S|·BCE(clamp(mean of the rows S), one-hot class), M = rows in any cluster
 *
 * BCE is the mean over K columns; every background row is a cluster of its own. CPU reference: loss.reference.ts.
 */
import { defineKernel, f32, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '../kernel.ts';
import { workgroupSum } from '../reduce/workgroup-sum.ts';
import { clampScore, LOSS_WORKGROUP } from './probability.ts';

/** Class probabilities and clusters [n, columns]. */
export interface PclShape {
  /** Proposals. */
  readonly n: number;
  /** C+1. */
  readonly columns: number;
}

/**
 * Words of `state`: the loss; per row its class column (−1: ignored), cluster number, first row of the cluster, next
 * row of the cluster (N: none); for every first row, K derivatives that all rows of its cluster share.
 */
export const pclStateSize = ({ n, columns }: PclShape): number => 1 + 4 * n + n * columns;

/**
 * state [{@link pclStateSize}] = the loss and what the gradient needs.
 * Binds cls and clusters [N, K], and state.
 */
export function pclLoss({ n, columns }: PclShape): Kernel<'cls' | 'clusters' | 'state'> {
  return defineKernel({
    name: 'loss.pcl',
    bindings: { cls: read(), clusters: read(), state: write() },
    uniforms: { n: u32(n), columns: u32(columns) },
    grid: [1, 1, 1],
    flops: 8 * n * columns,
    bytes: 8 * n * columns,
    source: () => wgsl`${workgroupSum(LOSS_WORKGROUP)}${clampScore}
@compute @workgroup_size(${LOSS_WORKGROUP})
fn main(@builtin(local_invocation_index) local: u32) {
  let classes = 1u;
  let numbers = classes + u.n;
  let firsts = numbers + u.n;
  let nexts = firsts + u.n;
  let slopes = nexts + u.n;

  var members = 0.0;
  for (var row = local; row < u.n; row += ${LOSS_WORKGROUP}u) {
    var class_ = -1.0;
    var number = 0.0;
    for (var column = 0u; column < u.columns; column++) {
      let entry = clusters[row * u.columns + column];
      if (entry != 0.0) {
        class_ = f32(column);
        number = entry;
      }
    }
    state[classes + row] = class_;
    state[numbers + row] = number;
    members += select(0.0, 1.0, class_ >= 0.0);
  }
  storageBarrier();
  let scale = 12.0 / (workgroupSum(members, local) + 1e-6);

  // Chain the rows of every cluster.
  for (var row = local; row < u.n; row += ${LOSS_WORKGROUP}u) {
    var first = row;
    var next = u.n;
    if (state[classes + row] > 0.0) {
      let number = state[numbers + row];
      first = 0u;
      while (state[numbers + first] != number) { first++; }
      next = row + 1u;
      while (next < u.n && state[numbers + min(next, u.n - 1u)] != number) { next++; }
    }
    state[firsts + row] = f32(first);
    state[nexts + row] = f32(next);
  }
  storageBarrier();

  var loss = 0.0;
  for (var i = local; i < u.n * u.columns; i += ${LOSS_WORKGROUP}u) {
    let row = i / u.columns;
    let column = i % u.columns;
    if (state[classes + row] < 0.0 || u32(state[firsts + row]) != row) { continue; }
    var sum = 0.0;
    var size = 0.0;
    for (var member = row; member < u.n; member = u32(state[nexts + member])) {
      sum += cls[member * u.columns + column];
      size += 1.0;
    }
    let mean = sum / size;
    let probability = clampScore(mean);
    let positive = u32(state[classes + row]) == column;
    let likelihood = select(1.0 - probability, probability, positive);
    loss -= size * log(likelihood);
    // ∂/∂row = ∂/∂mean / size, and the term itself is multiplied by size.
    state[slopes + i] = select(1.0, -1.0, positive) * passes(mean) * scale / (likelihood * f32(u.columns));
  }
  let total = workgroupSum(loss, local);
  if (local == 0u) { state[0] = scale * total / f32(u.columns); }
}`,
  });
}

/**
 * dcls (+)= weight × gradient, from the `state` of {@link pclLoss}.
 * Binds state [{@link pclStateSize}] and dcls [N, K].
 */
export function pclLossBackward({
  n,
  columns,
  weight,
  accumulate,
}: PclShape & { weight: number; accumulate: boolean }): Kernel<'state' | 'dcls'> {
  return defineKernel({
    name: 'loss.pclBackward',
    bindings: { state: read(), dcls: write() },
    uniforms: { n: u32(n), columns: u32(columns), weight: f32(weight), accumulate: u32(accumulate ? 1 : 0) },
    grid: linearGrid(n * columns, 64),
    flops: n * columns,
    bytes: 8 * n * columns,
    source: () => wgsl`${linearIndex(64)}
  if (i >= u.n * u.columns) { return; }
  let row = i / u.columns;
  let first = u32(state[1u + 2u * u.n + row]);
  let slope = state[1u + 4u * u.n + first * u.columns + i % u.columns];
  // Nothing was written for ignored rows.
  dcls[i] = select(0.0, u.weight * slope, state[1u + row] >= 0.0) + select(0.0, dcls[i], u.accumulate == 1u);
}`,
  });
}
