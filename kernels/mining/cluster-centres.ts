/**
 * Pseudo ground truths of OICR and PCL, as pcl.pytorch (lib/model/pcl/pcl.py) finds them among N proposals, with the
 * IoU of masks where it has that of boxes. Classes take their turn in ascending order, and a proposal serves one class
 * only. Scores are at least 1e-9. Both kernels are one workgroup, and write what `selectPseudoTruths` does: seedLabels
 * [N] (class + 1, or −1), seedWeights [N] (a score, or 0) and `truths` (`truthsSize`), here class by class, the best
 * first; all of them survive. The lowest index wins every tie unless said otherwise.
 *
 * - `selectTopProposals`  OICR (Tang et al., CVPR 2017): the proposal of the highest score (_get_highest_score_proposals)
 * - `selectClusterCentres`  PCL (Tang et al., TPAMI 2018): the most connected of the best proposals (_get_graph_centers)
 *
 * CPU reference: cluster-centres.reference.ts.
 */
import { defineKernel, f32, type Kernel, read, u32, wgsl, write } from '../kernel.ts';
import { workgroupSum } from '../reduce/workgroup-sum.ts';
import { type MiningShape, scores, scoreUniforms } from './scores.ts';

const WORKGROUP = 256;

/** WGSL: the bits of a score, which are in its order, since scores are positive; no proposal is yet a truth. */
const common = `${scores}
fn scoreBits(proposal: u32, class_: u32) -> u32 { return bitcast<u32>(max(jointScore(proposal, class_), 1e-9)); }
fn clearTruths(local: u32) {
  for (var i = local; i < u.n; i += ${WORKGROUP}u) {
    seedLabels[i] = -1;
    seedWeights[i] = 0.0;
  }
}
fn addTruth(place: u32, proposal: u32, class_: u32, score: u32) {
  seedLabels[proposal] = i32(class_) + 1;
  seedWeights[proposal] = bitcast<f32>(score);
  truths[1u + place] = proposal;
  truths[1u + u.n + place] = 1u;
}`;

/**
 * OICR's pseudo ground truths: of every positive class the proposal of the highest score that serves no class before it
 * (Tang et al., CVPR 2017; _get_highest_score_proposals, pcl.pytorch lib/model/pcl/pcl.py).
 * Binds cls and det [N, columns], labels [C] of 0 or 1, seedLabels i32 [N], seedWeights [N], truths u32 [`truthsSize`].
 */
export function selectTopProposals(
  shape: MiningShape,
): Kernel<'cls' | 'det' | 'labels' | 'seedLabels' | 'seedWeights' | 'truths'> {
  return defineKernel({
    name: 'mining.selectTopProposals',
    bindings: {
      cls: read(),
      det: read(),
      labels: read(),
      seedLabels: write('i32'),
      seedWeights: write(),
      truths: write('u32'),
    },
    uniforms: scoreUniforms(shape),
    grid: [1, 1, 1],
    flops: shape.n * shape.classes,
    bytes: 4 * shape.n * (2 * shape.classes + 4),
    source: () => wgsl`${common}
var<workgroup> best: atomic<u32>;
var<workgroup> top: atomic<u32>;

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(local_invocation_index) local: u32) {
  clearTruths(local);
  storageBarrier();
  var count = 0u;
  for (var class_ = 0u; class_ < u.classes; class_++) {
    // The labels are read-only, so this is uniform.
    if (labels[class_] == 0.0) { continue; }
    if (local == 0u) {
      atomicStore(&best, 0u);
      atomicStore(&top, u.n);
    }
    workgroupBarrier();
    for (var i = local; i < u.n; i += ${WORKGROUP}u) {
      if (seedLabels[i] < 0) { atomicMax(&best, scoreBits(i, class_)); }
    }
    workgroupBarrier();
    let score = atomicLoad(&best);
    for (var i = local; i < u.n; i += ${WORKGROUP}u) {
      if (seedLabels[i] < 0 && scoreBits(i, class_) == score) { atomicMin(&top, i); }
    }
    workgroupBarrier();
    let chosen = atomicLoad(&top);
    if (chosen < u.n) {
      if (local == 0u) { addTruth(count, chosen, class_, score); }
      count++;
    }
    storageBarrier();
    workgroupBarrier();
  }
  if (local == 0u) { truths[0] = count; }
}`,
  });
}

/** How PCL chooses cluster centres (_get_graph_centers, pcl.pytorch lib/model/pcl/pcl.py). */
export interface CentreShape extends MiningShape {
  /** Proposals of a higher IoU are connected. */
  readonly graphThreshold: number;
  /** At most so many centres a class. */
  readonly centresPerClass: number;
}

/** Words of `work`. */
export const centresWorkSize = (n: number): number => 7 * n + 1;

/**
 * Per positive class:
 *
 * 1. k-means of the scores with three clusters; the best cluster goes on. In one dimension clusters are runs of the
 * sorted scores, so the optimum is found among all pairs of cuts, equal scores uncut. (The original takes the best of
 *    sklearn's ten runs from random starts, which end there or in a worse optimum, and fails below three proposals.)
 * 2. Graph: proposals of IoU > graphThreshold are connected. The most connected proposal is a centre, of the highest
 * score
 *    among its neighbours and itself; it leaves with them, and so on while more than five are left. Ties: the higher
 *    score, then the lower index (numpy's unstable order in the original).
 * 3. The `centresPerClass` centres of the highest scores remain.
 * Binds cls and det [N, columns], labels [C] of 0 or 1, iou [N, N], work u32 [{@link centresWorkSize}], seedLabels i32
 * [N], seedWeights [N], truths u32 [`truthsSize`].
 */
export function selectClusterCentres({
  graphThreshold,
  centresPerClass,
  ...shape
}: CentreShape): Kernel<'cls' | 'det' | 'labels' | 'iou' | 'work' | 'seedLabels' | 'seedWeights' | 'truths'> {
  const { n } = shape;
  return defineKernel({
    name: 'mining.selectClusterCentres',
    bindings: {
      cls: read(),
      det: read(),
      labels: read(),
      iou: read(),
      work: write('u32'),
      seedLabels: write('i32'),
      seedWeights: write(),
      truths: write('u32'),
    },
    uniforms: { ...scoreUniforms(shape), graphThreshold: f32(graphThreshold), centresPerClass: u32(centresPerClass) },
    grid: [1, 1, 1],
    flops: 8 * n * n,
    bytes: 4 * n * n,
    source: () => wgsl`${common}${workgroupSum(WORKGROUP)}
/** The original stops when so many proposals are left in the graph. */
const LEFT_OVER = 5u;

var<workgroup> values: array<f32, ${WORKGROUP}>;
var<workgroup> cuts: array<u32, ${WORKGROUP}>;
var<workgroup> members: u32;
var<workgroup> mostConnected: atomic<u32>;
var<workgroup> bestScore: atomic<u32>;
var<workgroup> leaving: atomic<u32>;
var<workgroup> left: u32;

// Parts of work: bits of the scores by proposal; proposals from the best down; sums of their scores above the mean;
// then of every member of the best cluster how many it is connected with (0 when it has left) and who leaves;
// proposals and scores of the centres.
fn scoreAt(i: u32) -> u32 { return i; }
fn orderAt(k: u32) -> u32 { return u.n + k; }
fn sumAt(k: u32) -> u32 { return 2u * u.n + k; }
fn degreeAt(k: u32) -> u32 { return 3u * u.n + 1u + k; }
fn leaverAt(k: u32) -> u32 { return 4u * u.n + 1u + k; }
fn centreAt(k: u32) -> u32 { return 5u * u.n + 1u + k; }
fn centreScoreAt(k: u32) -> u32 { return 6u * u.n + 1u + k; }

/** Whether proposals may be cut before the k-th of m. */
fn isCut(k: u32, m: u32) -> bool {
  return k == m || work[scoreAt(work[orderAt(k)])] != work[scoreAt(work[orderAt(k - 1u)])];
}
/** What a cluster of the k-th to the last-but-one proposal adds to the variance between clusters. */
fn between(k: u32, last: u32) -> f32 {
  let sum = bitcast<f32>(work[sumAt(last)]) - bitcast<f32>(work[sumAt(k)]);
  return sum * sum / f32(max(last - k, 1u));
}
fn connected(a: u32, b: u32) -> bool {
  return a == b || iou[work[orderAt(a)] * u.n + work[orderAt(b)]] > u.graphThreshold;
}

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(local_invocation_index) local: u32) {
  clearTruths(local);
  storageBarrier();
  var count = 0u;
  for (var class_ = 0u; class_ < u.classes; class_++) {
    // The labels are read-only, so this is uniform.
    if (labels[class_] == 0.0) { continue; }
    // Sort the m proposals that serve no class yet.
    let m = u.n - count;
    var total = 0.0;
    for (var i = local; i < u.n; i += ${WORKGROUP}u) {
      let bits = select(0u, scoreBits(i, class_), seedLabels[i] < 0);
      work[scoreAt(i)] = bits;
      total += bitcast<f32>(bits);
    }
    storageBarrier();
    let mean = workgroupSum(total, local) / f32(max(m, 1u));
    for (var i = local; i < u.n; i += ${WORKGROUP}u) {
      let bits = work[scoreAt(i)];
      if (bits == 0u) { continue; }
      var rank = 0u;
      for (var j = 0u; j < u.n; j++) {
        let other = work[scoreAt(j)];
        rank += select(0u, 1u, other > bits || (other == bits && j < i));
      }
      work[orderAt(rank)] = i;
    }
    storageBarrier();
    workgroupBarrier();

    // Sums of runs of neighbouring proposals, then of all before.
    let run = (m + ${WORKGROUP - 1}u) / ${WORKGROUP}u;
    let begin = min(local * run, m);
    let end = min(begin + run, m);
    var own = 0.0;
    for (var k = begin; k < end; k++) { own += bitcast<f32>(work[scoreAt(work[orderAt(k)])]) - mean; }
    values[local] = own;
    workgroupBarrier();
    var sum = 0.0;
    for (var other = 0u; other < local; other++) { sum += values[other]; }
    if (local == 0u) { work[sumAt(0u)] = 0u; }
    for (var k = begin; k < end; k++) {
      sum += bitcast<f32>(work[scoreAt(work[orderAt(k)])]) - mean;
      work[sumAt(k + 1u)] = bitcast<u32>(sum);
    }
    storageBarrier();
    workgroupBarrier();

    var bestValue = -1.0;
    var bestCut = 0u;
    for (var a = 1u + local; a <= m; a += ${WORKGROUP}u) {
      if (!isCut(a, m)) { continue; }
      let first = between(0u, a);
      for (var b = a; b <= m; b++) {
        if (!isCut(b, m)) { continue; }
        let value = first + between(a, b) + between(b, m);
        if (value > bestValue) {
          bestValue = value;
          bestCut = a;
        }
      }
    }
    values[local] = bestValue;
    cuts[local] = bestCut;
    workgroupBarrier();
    if (local == 0u) {
      for (var k = 1u; k < ${WORKGROUP}u; k++) {
        if (values[k] > bestValue || (values[k] == bestValue && cuts[k] < bestCut)) {
          bestValue = values[k];
          bestCut = cuts[k];
        }
      }
      members = bestCut;
    }
    let top = workgroupUniformLoad(&members);

    for (var a = local; a < top; a += ${WORKGROUP}u) {
      var degree = 0u;
      for (var b = 0u; b < top; b++) { degree += select(0u, 1u, connected(b, a)); }
      work[degreeAt(a)] = degree;
    }
    storageBarrier();

    var centres = 0u;
    for (var remaining = top; remaining > 0u; ) {
      if (local == 0u) {
        atomicStore(&mostConnected, 0u);
        atomicStore(&bestScore, 0u);
        atomicStore(&leaving, 0u);
      }
      workgroupBarrier();
      for (var a = local; a < top; a += ${WORKGROUP}u) {
        let degree = work[degreeAt(a)];
        // Degree first, then the place in the order.
        if (degree > 0u) { atomicMax(&mostConnected, (degree << 16u) | (0xffffu - a)); }
      }
      workgroupBarrier();
      let centre = 0xffffu - (atomicLoad(&mostConnected) & 0xffffu);
      for (var a = local; a < top; a += ${WORKGROUP}u) {
        if (work[degreeAt(a)] > 0u && connected(centre, a)) {
          // Their order is of no consequence.
          work[leaverAt(atomicAdd(&leaving, 1u))] = a;
          atomicMax(&bestScore, work[scoreAt(work[orderAt(a)])]);
        }
      }
      storageBarrier();
      workgroupBarrier();
      if (local == 0u) {
        left = atomicLoad(&leaving);
        work[centreAt(centres)] = work[orderAt(centre)];
        work[centreScoreAt(centres)] = atomicLoad(&bestScore);
      }
      let leavers = workgroupUniformLoad(&left);
      for (var a = local; a < top; a += ${WORKGROUP}u) {
        var degree = work[degreeAt(a)];
        if (degree == 0u) { continue; }
        if (connected(centre, a)) {
          degree = 0u;
        } else {
          for (var k = 0u; k < leavers; k++) { degree -= select(0u, 1u, connected(work[leaverAt(k)], a)); }
        }
        work[degreeAt(a)] = degree;
      }
      storageBarrier();
      workgroupBarrier();
      centres++;
      remaining -= leavers;
      if (remaining <= LEFT_OVER) { break; }
    }

    for (var k = local; k < centres; k += ${WORKGROUP}u) {
      let score = work[centreScoreAt(k)];
      var rank = 0u;
      for (var other = 0u; other < centres; other++) {
        let otherScore = work[centreScoreAt(other)];
        rank += select(0u, 1u, otherScore > score || (otherScore == score && other < k));
      }
      if (rank < u.centresPerClass) { addTruth(count + rank, work[centreAt(k)], class_, score); }
    }
    count += min(centres, u.centresPerClass);
    storageBarrier();
    workgroupBarrier();
  }
  if (local == 0u) { truths[0] = count; }
}`,
  });
}
