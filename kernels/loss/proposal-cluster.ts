/**
 * The losses of OICR and PCL refinement branches (OICRLosses and PCLLosses, pcl.pytorch lib/model/pcl/pcl.py) on class
 * probabilities cls [N, K], K = C+1, background first, with row labels l (−1 ignored), row weights w and `clusters`,
 * which number the foreground rows:
 *
 * - PCL    −λ/N · (Σ over background rows w·ln p[n, 0] + Σ over clusters (Σ w)·ln mean p[n, l]), p = max(cls, 1e-9)
 * - OICR   −λ/N · Σ over labelled rows w·ln (cls[n, l] + 1e-6)
 *
 * CPU reference: loss.reference.ts.
 */
import { defineKernel, f32, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '../kernel.ts';
import { workgroupSum } from '../reduce/workgroup-sum.ts';
import { LOSS_WORKGROUP } from './probability.ts';

/** Class probabilities [n, columns]. */
export interface ProposalClusterShape {
  /** Proposals. */
  readonly n: number;
  /** C+1. */
  readonly columns: number;
}

/** Words of `state`: the loss, and per row its derivative by cls[n, l]. */
export const proposalClusterStateSize = (n: number): number => 1 + n;

/**
 * state [{@link proposalClusterStateSize}]. `pooled`: PCL, whose clusters share one probability; else OICR.
 * Binds cls [N, K], pseudoLabels i32 [N], clusters i32 [N] (−1 outside), lossWeights [N], and state.
 */
export function proposalClusterLoss({
  n,
  columns,
  lambda,
  pooled,
}: ProposalClusterShape & { lambda: number; pooled: boolean }): Kernel<
  'cls' | 'pseudoLabels' | 'clusters' | 'lossWeights' | 'state'
> {
  return defineKernel({
    name: 'loss.proposalCluster',
    constants: { pooled },
    bindings: {
      cls: read(),
      pseudoLabels: read('i32'),
      clusters: read('i32'),
      lossWeights: read(),
      state: write(),
    },
    uniforms: { n: u32(n), columns: u32(columns), scale: f32(lambda / n) },
    grid: [1, 1, 1],
    flops: pooled ? 4 * n * n : 4 * n,
    bytes: 20 * n,
    source: (c) => wgsl`${workgroupSum(LOSS_WORKGROUP)}
const LOWEST = 1e-9f;
@compute @workgroup_size(${LOSS_WORKGROUP})
fn main(@builtin(local_invocation_index) local: u32) {
  var loss = 0.0;
  for (var row = local; row < u.n; row += ${LOSS_WORKGROUP}u) {
    let label = pseudoLabels[row];
    var slope = 0.0;
    if (label >= 0) {
      let column = u32(label);
      let own = cls[row * u.columns + column];
      var weight = lossWeights[row];
#if ${c.pooled}
      var sum = max(own, LOWEST);
      var size = 1.0;
      var isFirst = true;
      if (label > 0) {
        sum = 0.0;
        size = 0.0;
        weight = 0.0;
        for (var other = 0u; other < u.n; other++) {
          if (clusters[other] != clusters[row]) { continue; }
          sum += max(cls[other * u.columns + column], LOWEST);
          size += 1.0;
          weight += lossWeights[other];
          isFirst = isFirst && other >= row;
        }
      }
      if (isFirst) { loss -= weight * log(sum / size); }
      slope = select(0.0, -weight / sum, own >= LOWEST);
#else
      loss -= weight * log(own + 1e-6);
      slope = -weight / (own + 1e-6);
#endif
    }
    state[1u + row] = u.scale * slope;
  }
  let total = workgroupSum(loss, local);
  if (local == 0u) { state[0] = u.scale * total; }
}`,
  });
}

/**
 * dcls (+)= weight × gradient, from the `state` of {@link proposalClusterLoss}.
 * Binds pseudoLabels i32 [N], state [{@link proposalClusterStateSize}] and dcls [N, K].
 */
export function proposalClusterLossBackward({
  n,
  columns,
  weight,
  accumulate,
}: ProposalClusterShape & { weight: number; accumulate: boolean }): Kernel<'pseudoLabels' | 'state' | 'dcls'> {
  return defineKernel({
    name: 'loss.proposalClusterBackward',
    bindings: { pseudoLabels: read('i32'), state: read(), dcls: write() },
    uniforms: { n: u32(n), columns: u32(columns), weight: f32(weight), accumulate: u32(accumulate ? 1 : 0) },
    grid: linearGrid(n * columns, 64),
    flops: n * columns,
    bytes: 8 * n * columns,
    source: () => wgsl`${linearIndex(64)}
  if (i >= u.n * u.columns) { return; }
  let row = i / u.columns;
  let labelled = pseudoLabels[row] == i32(i % u.columns);
  dcls[i] = select(0.0, u.weight * state[1u + row], labelled) + select(0.0, dcls[i], u.accumulate == 1u);
}`,
  });
}
