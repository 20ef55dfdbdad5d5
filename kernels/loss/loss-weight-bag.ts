/**
 * Bag loss with mined row weights (loss_weight_bag_loss, lib/modeling/heads.py) over scores s [N, K], K = C+1 columns,
 * background first: the mean over columns c of the binary cross entropy of clamp(s[r, c]) against the image's labels y
 * (background always positive), where
 *
 * - y[c] = 1: r is the best row labelled c, every other row counting as 0, and the term is weighted by w[r]
 * - y[c] = 0: r is the best row of all, with weight 1
 *
 * The first row wins ties. CPU reference: loss.reference.ts.
 */
import { defineKernel, f32, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '../kernel.ts';
import { workgroupSum } from '../reduce/workgroup-sum.ts';
import { clampScore, LOSS_WORKGROUP } from './probability.ts';

/**
 * WGSL `lossWeightBag(local, slots)`: the loss. Leaves for column c in state[slots + 2c] the row r, in the next word
 * the derivative by s[r, c]. Reads `labels`, `pseudoLabels`, `lossWeights`, `u.n`, `u.columns`, `u.lambda` and the
 * function `score(row, column)` of the kernel. Call it in uniform control flow.
 */
export const lossWeightBag = `
var<workgroup> bestScores: array<f32, ${LOSS_WORKGROUP}>;
var<workgroup> bestRows: array<u32, ${LOSS_WORKGROUP}>;

fn isPositive(column: u32) -> bool {
  if (column == 0u) { return true; }
  return labels[column - 1u] == 1.0;
}

fn lossWeightBag(local: u32, slots: u32) -> f32 {
  var loss = 0.0;
  // Neighbouring invocations read neighbouring columns; what is left of the workgroup shares the rows.
  for (var begin = 0u; begin < u.columns; begin += ${LOSS_WORKGROUP}u) {
    let width = min(u.columns - begin, ${LOSS_WORKGROUP}u);
    let lanes = ${LOSS_WORKGROUP}u / width;
    let lane = local / width;
    let column = begin + local % width;
    let positive = isPositive(column);
    var best = -1.0;
    var bestRow = 0u;
    if (lane < lanes) {
      for (var row = lane; row < u.n; row += lanes) {
        var s = 0.0;
        if (!positive || pseudoLabels[row] == i32(column)) { s = score(row, column); }
        if (s > best) {
          best = s;
          bestRow = row;
        }
      }
    }
    bestScores[local] = best;
    bestRows[local] = bestRow;
    workgroupBarrier();
    if (local < width) {
      for (var other = local + width; other < lanes * width; other += width) {
        let s = bestScores[other];
        if (s > best || (s == best && bestRows[other] < bestRow)) {
          best = s;
          bestRow = bestRows[other];
        }
      }
      let p = clampScore(best);
      let likelihood = select(1.0 - p, p, positive);
      let weight = select(1.0, u.lambda * lossWeights[bestRow], positive);
      loss -= weight * log(likelihood);
      state[slots + 2u * column] = f32(bestRow);
      let slope = select(weight, -weight, positive) / likelihood;
      state[slots + 2u * column + 1u] = passes(best) * slope / f32(u.columns);
    }
    workgroupBarrier();
  }
  return workgroupSum(vec4f(loss, 0.0, 0.0, 0.0), local).x / f32(u.columns);
}`;

/** Scores [n, columns]. */
export interface LossWeightBagShape {
  /** Proposals. */
  readonly n: number;
  /** C+1. */
  readonly columns: number;
}

/**
 * state [1 + 2K] = the loss, then per column the chosen row and the derivative by its score.
 * Binds scores [N, K], pseudoLabels i32 [N], lossWeights [N], labels [C] of 0 or 1, and state.
 */
export function lossWeightBagLoss({
  n,
  columns,
}: LossWeightBagShape): Kernel<'scores' | 'pseudoLabels' | 'lossWeights' | 'labels' | 'state'> {
  return defineKernel({
    name: 'loss.lossWeightBag',
    bindings: { scores: read(), pseudoLabels: read('i32'), lossWeights: read(), labels: read(), state: write() },
    uniforms: { n: u32(n), columns: u32(columns), lambda: f32(1) },
    grid: [1, 1, 1],
    flops: n * columns,
    bytes: 4 * n * columns,
    source: () => wgsl`${workgroupSum(LOSS_WORKGROUP, 'vec4f')}${clampScore}${lossWeightBag}
fn score(row: u32, column: u32) -> f32 { return scores[row * u.columns + column]; }

@compute @workgroup_size(${LOSS_WORKGROUP})
fn main(@builtin(local_invocation_index) local: u32) {
  let loss = lossWeightBag(local, 1u);
  if (local == 0u) { state[0] = loss; }
}`,
  });
}

/**
 * dscores (+)= weight × gradient, from the `state` of {@link lossWeightBagLoss}.
 * Binds state [1 + 2K] and dscores [N, K].
 */
export function lossWeightBagLossBackward({
  n,
  columns,
  weight,
  accumulate,
}: LossWeightBagShape & { weight: number; accumulate: boolean }): Kernel<'state' | 'dscores'> {
  return defineKernel({
    name: 'loss.lossWeightBagBackward',
    bindings: { state: read(), dscores: write() },
    uniforms: { n: u32(n), columns: u32(columns), weight: f32(weight), accumulate: u32(accumulate ? 1 : 0) },
    grid: linearGrid(n * columns, 64),
    flops: n * columns,
    bytes: 4 * n * columns,
    source: () => wgsl`${linearIndex(64)}
  if (i >= u.n * u.columns) { return; }
  let slot = 1u + 2u * (i % u.columns);
  let chosen = u32(state[slot]) == i / u.columns;
  dscores[i] = select(0.0, u.weight * state[slot + 1u], chosen) + select(0.0, dscores[i], u.accumulate == 1u);
}`,
  });
}
