/**
 * How proposals are labelled by the pseudo ground truths of an image (mining.ts and cluster-centres.ts find these), or
 * straight from the clusters that were assigned before training. CPU reference: assign.reference.ts.
 */
import { defineKernel, f32, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '../kernel.ts';
import { workgroupSum } from '../reduce/workgroup-sum.ts';

const WORKGROUP = 256;

/**
 * WGSL that finds the surviving pseudo ground truth of the highest IoU with proposal `i`: its proposal `nearest`, its
 * place `place` in the list, and the IoU `overlap`; 0 where there is none.
 */
const nearestTruth = `
  let list = 1u;
  let survived = list + u.n;
  var nearest = 0u;
  var place = 0u;
  var overlap = 0.0;
  for (var k = 0u; k < truths[0]; k++) {
    if (truths[survived + k] == 0u) { continue; }
    let truth = truths[list + k];
    // The map is symmetric; along its rows neighbouring invocations read neighbouring words.
    let candidate = iou[truth * u.n + i];
    if (candidate > overlap) {
      overlap = candidate;
      nearest = truth;
      place = k;
    }
  }`;

/** How CIM and MIST label proposals (CIM_layer, lib/modeling/heads.py). */
export interface AssignShape {
  /** Proposals. */
  readonly n: number;
  /** A proposal is background below this IoU with the nearest pseudo ground truth. */
  readonly clsThreshold: number;
  /** Its IoU label is 1 above this. */
  readonly iouThreshold: number;
}

/**
 * Labels every proposal by the surviving pseudo ground truth of the highest IoU: pseudoLabels [N] is −1 (ignored, IoU
 * 0), 0 (background) or class + 1; lossWeights [N] is the score of that pseudo ground truth, for background too, and
 * 0 where ignored; pseudoIou [N] is 0 or 1.
 * Binds iou [N, N], truths u32 [`truthsSize`], seedLabels i32 [N], seedWeights [N], and the outputs, pseudoLabels
 * i32.
 */
export function assignPseudoLabels({
  n,
  clsThreshold,
  iouThreshold,
}: AssignShape): Kernel<
  'iou' | 'truths' | 'seedLabels' | 'seedWeights' | 'pseudoLabels' | 'pseudoIou' | 'lossWeights'
> {
  return defineKernel({
    name: 'mining.assignPseudoLabels',
    bindings: {
      iou: read(),
      truths: read('u32'),
      seedLabels: read('i32'),
      seedWeights: read(),
      pseudoLabels: write('i32'),
      pseudoIou: write(),
      lossWeights: write(),
    },
    uniforms: { n: u32(n), clsThreshold: f32(clsThreshold), iouThreshold: f32(iouThreshold) },
    grid: linearGrid(n, 64),
    bytes: 24 * n,
    source: () => wgsl`${linearIndex(64)}
  if (i >= u.n) { return; }${nearestTruth}
  var label = -1;
  var weight = 0.0;
  if (overlap > 0.0) {
    label = select(seedLabels[nearest], 0, overlap < u.clsThreshold);
    weight = seedWeights[nearest];
  }
  pseudoLabels[i] = label;
  lossWeights[i] = weight;
  pseudoIou[i] = select(0.0, 1.0, overlap > u.iouThreshold);
}`,
  });
}

/**
 * pseudoLabels [N] = 0 (background) where a proposal is not `usable`, that is, where it contains almost all others.
 * Binds usable u32 [N] of `usableProposals`, and pseudoLabels i32 [N].
 */
export function bigProposalsToBackground({ n }: { n: number }): Kernel<'usable' | 'pseudoLabels'> {
  return defineKernel({
    name: 'mining.bigProposalsToBackground',
    bindings: { usable: read('u32'), pseudoLabels: write('i32') },
    uniforms: { n: u32(n) },
    grid: linearGrid(n, 64),
    bytes: 8 * n,
    source: () => wgsl`${linearIndex(64)}
  if (i < u.n && usable[i] == 0u) { pseudoLabels[i] = 0; }
}`,
  });
}

/** How OICR and PCL label proposals (_get_proposal_clusters, pcl.pytorch lib/model/pcl/pcl.py). */
export interface ClusterShape {
  /** Proposals. */
  readonly n: number;
  /** A proposal belongs to the cluster of the nearest centre from this IoU on; below, it is background. */
  readonly foregroundThreshold: number;
  /** Below this IoU it is ignored. */
  readonly ignoreThreshold: number;
}

/**
 * Gathers proposals round the centres in `truths` (get_proposal_clusters, pcl.pytorch lib/model/pcl/pcl.py): clusters
 * [N] is the place of the nearest centre in the list, or −1; pseudoLabels [N] its class + 1, 0 (background) or −1
 * (ignored); lossWeights [N] its score, for background too, and 0 where ignored.
 * Binds iou [N, N], truths u32 [`truthsSize`], seedLabels i32 [N], seedWeights [N], and the outputs, pseudoLabels
 * and clusters i32.
 */
export function assignClusters({
  n,
  foregroundThreshold,
  ignoreThreshold,
}: ClusterShape): Kernel<
  'iou' | 'truths' | 'seedLabels' | 'seedWeights' | 'pseudoLabels' | 'clusters' | 'lossWeights'
> {
  return defineKernel({
    name: 'mining.assignClusters',
    bindings: {
      iou: read(),
      truths: read('u32'),
      seedLabels: read('i32'),
      seedWeights: read(),
      pseudoLabels: write('i32'),
      clusters: write('i32'),
      lossWeights: write(),
    },
    uniforms: { n: u32(n), foregroundThreshold: f32(foregroundThreshold), ignoreThreshold: f32(ignoreThreshold) },
    grid: linearGrid(n, 64),
    bytes: 24 * n,
    source: () => wgsl`${linearIndex(64)}
  if (i >= u.n) { return; }${nearestTruth}
  let foreground = overlap > 0.0 && overlap >= u.foregroundThreshold;
  let ignored = overlap == 0.0 || overlap < u.ignoreThreshold;
  pseudoLabels[i] = select(select(0, -1, ignored), seedLabels[nearest], foreground);
  clusters[i] = select(-1, i32(place), foreground);
  lossWeights[i] = select(seedWeights[nearest], 0.0, ignored);
}`,
  });
}

/**
 * Labels from the clusters [N, C+1] of before the training (at most one cluster number a row, in the column of its
 * class): pseudoLabels [N] the column, −1 in rows of zeros; pseudoIou [N] 1 in the foreground, whose members overlap
 * the instance well; clusters [N] the number in the foreground, else −1; lossWeights [N] 1, 0 in rows of zeros; count
 * [1]
 * the labelled rows.
 * Binds assigned [N, C+1] and the outputs, pseudoLabels and clusters i32, count u32.
 */
export function clusterLabels({
  n,
  columns,
}: {
  n: number;
  columns: number;
}): Kernel<'assigned' | 'pseudoLabels' | 'pseudoIou' | 'clusters' | 'lossWeights' | 'count'> {
  return defineKernel({
    name: 'mining.clusterLabels',
    bindings: {
      assigned: read(),
      pseudoLabels: write('i32'),
      pseudoIou: write(),
      clusters: write('i32'),
      lossWeights: write(),
      count: write('u32'),
    },
    uniforms: { n: u32(n), columns: u32(columns) },
    grid: [1, 1, 1],
    bytes: 4 * n * (columns + 4),
    source: () => wgsl`${workgroupSum(WORKGROUP)}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(local_invocation_index) local: u32) {
  var labelled = 0.0;
  for (var row = local; row < u.n; row += ${WORKGROUP}u) {
    var label = -1;
    var number = 0.0;
    for (var column = 0u; column < u.columns; column++) {
      let entry = assigned[row * u.columns + column];
      if (entry != 0.0) {
        label = i32(column);
        number = entry;
      }
    }
    pseudoLabels[row] = label;
    pseudoIou[row] = select(0.0, 1.0, label > 0);
    clusters[row] = select(-1, i32(number), label > 0);
    lossWeights[row] = select(0.0, 1.0, label >= 0);
    labelled += select(0.0, 1.0, label >= 0);
  }
  let total = workgroupSum(labelled, local);
  if (local == 0u) { count[0] = u32(total); }
}`,
  });
}
