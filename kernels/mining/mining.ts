/**
 * Mining of pseudo ground truths for a refinement branch (CIM_layer, lib/modeling/heads.py), in four dispatches
 * without a read-back. N proposals, C classes; maps [N, N]: `iou`, symmetric, and `containment`,
 * [i, j] = |i ∧ j| / |j|.
 *
 * 1. `usableProposals`  drops proposals that contain almost all others
 * 2. `claimContainers`  per positive class: the best ⌈p·N⌉ proposals, thinned by mask NMS, are seeds; for each, the
 *                       proposal of the highest detection score among the usable ones that contain it is claimed
 *    `claimSeeds`       MIST instead claims the seeds themselves
 * 3. `selectPseudoTruths`  settles claims of several classes, lists the pseudo ground truths, samples among them
 * 4. `assignPseudoLabels`  labels every proposal by the nearest surviving pseudo ground truth (assign.ts)
 *
 * The lowest index wins every tie. Scores: cls and det [N, columns], with the background column first if there are
 * C+1; det may be class-agnostic, [N, 1]. CPU reference: mining.reference.ts.
 */
import { defineKernel, f32, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '../kernel.ts';
import { philox } from '../random/philox.ts';
import { type MiningShape, scores, scoreUniforms } from './scores.ts';

export type { MiningShape };

const WORKGROUP = 256;

/**
 * usable [N] = 1 where a proposal contains (> threshold) fewer than 0.9·N proposals, itself included.
 * Binds containment [N, N] and usable u32.
 */
export function usableProposals({ n, threshold }: { n: number; threshold: number }): Kernel<'containment' | 'usable'> {
  return defineKernel({
    name: 'mining.usableProposals',
    bindings: { containment: read(), usable: write('u32') },
    // A count is below 0.9·N exactly when it is below its ceiling.
    uniforms: { n: u32(n), threshold: f32(threshold), limit: u32(Math.ceil(0.9 * n)) },
    grid: linearGrid(n, 64),
    flops: n * n,
    bytes: 4 * n * n,
    source: () => wgsl`${linearIndex(64)}
  if (i >= u.n) { return; }
  var contained = 0u;
  for (var j = 0u; j < u.n; j++) { contained += select(0u, 1u, containment[i * u.n + j] > u.threshold); }
  usable[i] = select(0u, 1u, contained < u.limit);
}`,
  });
}

/** How many seeds a class has, and how they are thinned (section 3.2 of the paper; CIM_layer). */
export interface ClaimShape extends MiningShape {
  /** Seeds per class before NMS, ⌈p·N⌉. */
  readonly seeds: number;
  /** Seeds are kept while their IoU with better ones is below. */
  readonly nmsThreshold: number;
}

/** Words of `work`: per class the scores and the order of the seeds, and whether NMS dropped them. */
export const claimWorkSize = ({ n, classes, seeds }: Pick<ClaimShape, 'n' | 'classes' | 'seeds'>): number =>
  classes * (n + 2 * seeds);

/** WGSL that reads the scores of four proposals from `work`; those behind the last proposal are of no matter. */
const scoresAt = `
fn scoresAt(first: u32, proposals: vec4u) -> vec4f {
  let at = vec4u(first) + min(proposals, vec4u(u.n - 1u));
  return bitcast<vec4f>(vec4u(work[at.x], work[at.y], work[at.z], work[at.w]));
}`;

/**
 * WGSL of one workgroup a class: fills `seedOrder`, best first, and `dropped` of the positive class `class_`, and
 * clears its claims. Expects `seedScore(proposal, class_)` and {@link scoresAt}.
 */
const seedsOfClass = `
  let class_ = workgroup.x;
  // The labels are read-only, so this return is uniform.
  if (labels[class_] == 0.0) { return; }
  let seedScores = class_ * (u.n + 2u * u.seeds);
  let seedOrder = seedScores + u.n;
  let dropped = seedOrder + u.seeds;
  let claims = class_ * u.n;
  for (var i = local; i < u.n; i += ${WORKGROUP}u) {
    work[seedScores + i] = bitcast<u32>(seedScore(i, class_));
    atomicStore(&claimed[claims + i], 0u);
  }
  storageBarrier();
  // An invocation ranks eight proposals at a time, so that it loads each score once for all of them.
  for (var first = local; first < u.n; first += ${8 * WORKGROUP}u) {
    let i0 = vec4u(first) + vec4u(0u, 1u, 2u, 3u) * ${WORKGROUP}u;
    let i1 = i0 + ${4 * WORKGROUP}u;
    let score0 = scoresAt(seedScores, i0);
    let score1 = scoresAt(seedScores, i1);
    var rank0 = vec4u();
    var rank1 = vec4u();
    for (var j = 0u; j < u.n; j++) {
      let other = vec4f(bitcast<f32>(work[seedScores + j]));
      rank0 += select(vec4u(), vec4u(1u), (other > score0) | ((other == score0) & (vec4u(j) < i0)));
      rank1 += select(vec4u(), vec4u(1u), (other > score1) | ((other == score1) & (vec4u(j) < i1)));
    }
    var ranks = array<vec4u, 2>(rank0, rank1);
    for (var k = 0u; k < u.ranked; k++) {
      let rank = ranks[k / 4u][k % 4u];
      let i = first + k * ${WORKGROUP}u;
      if (i < u.n && rank < u.seeds) {
        work[seedOrder + rank] = i;
        work[dropped + rank] = 0u;
      }
    }
  }
  storageBarrier();
  for (var a = 0u; a < u.seeds; a++) {
    if (work[dropped + a] == 0u) {
      let row = work[seedOrder + a] * u.n;
      for (var b = a + 1u + local; b < u.seeds; b += ${WORKGROUP}u) {
        if (!(iou[row + work[seedOrder + b]] < u.nmsThreshold)) { work[dropped + b] = 1u; }
      }
    }
    storageBarrier();
  }`;

const claimUniforms = (shape: ClaimShape) => ({
  ...scoreUniforms(shape),
  seeds: u32(shape.seeds),
  nmsThreshold: f32(shape.nmsThreshold),
  // Proposals that an invocation ranks at a time: were their number known when the kernel is compiled, the loop would be unrolled.
  ranked: u32(8),
});

/**
 * claimed [C, N] = 1 where a class claims a proposal. Rows of classes that the image lacks are left as they are.
 * Binds cls [N, columns], det [N, columns] or [N, 1], labels [C] of 0 or 1, iou and containment [N, N], usable u32 [N],
 * work u32 [{@link claimWorkSize}], and claimed u32.
 */
export function claimContainers(
  shape: ClaimShape & { containmentThreshold: number },
): Kernel<'cls' | 'det' | 'labels' | 'iou' | 'containment' | 'usable' | 'work' | 'claimed'> {
  return defineKernel({
    name: 'mining.claimContainers',
    bindings: {
      cls: read(),
      det: read(),
      labels: read(),
      iou: read(),
      containment: read(),
      usable: read('u32'),
      work: write('u32'),
      claimed: write('atomic<u32>'),
    },
    uniforms: { ...claimUniforms(shape), containmentThreshold: f32(shape.containmentThreshold) },
    grid: [shape.classes, 1, 1],
    flops: shape.n * shape.n,
    bytes: 4 * shape.n * (2 + shape.seeds),
    source: () => wgsl`${scores}
fn seedScore(proposal: u32, class_: u32) -> f32 { return clsScore(proposal, class_); }
${scoresAt}

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {${seedsOfClass}
  // The scores of the seeds are no longer needed: detection scores take their place, all bits 1 where not usable.
  for (var i = local; i < u.n; i += ${WORKGROUP}u) {
    work[seedScores + i] = select(0xffffffffu, bitcast<u32>(detScore(i, class_)), usable[i] == 1u);
  }
  storageBarrier();
  for (var a = local; a < u.seeds; a += ${WORKGROUP}u) {
    if (work[dropped + a] == 1u) { continue; }
    let seed = work[seedOrder + a];
    var isContained = false;
    var best = -1.0;
    var container = 0u;
    for (var i = 0u; i < u.n; i++) {
      let own = work[seedScores + i];
      let contains = own != 0xffffffffu && containment[i * u.n + seed] > u.containmentThreshold;
      // Proposals that do not contain the seed compete with score 0, as in the original.
      let score = select(0.0, bitcast<f32>(own), contains);
      isContained = isContained || contains;
      if (score > best) {
        best = score;
        container = i;
      }
    }
    if (isContained) { atomicStore(&claimed[claims + container], 1u); }
  }
}`,
  });
}

/**
 * claimed [C, N] = 1 where a proposal is a seed by cls·det that survives NMS (MIST). Rows of absent classes are left
 * as they are.
 * Binds cls [N, columns], det [N, columns] or [N, 1], labels [C] of 0 or 1, iou [N, N], work u32 [{@link
 * claimWorkSize}], and claimed u32.
 */
export function claimSeeds(shape: ClaimShape): Kernel<'cls' | 'det' | 'labels' | 'iou' | 'work' | 'claimed'> {
  return defineKernel({
    name: 'mining.claimSeeds',
    bindings: {
      cls: read(),
      det: read(),
      labels: read(),
      iou: read(),
      work: write('u32'),
      claimed: write('atomic<u32>'),
    },
    uniforms: claimUniforms(shape),
    grid: [shape.classes, 1, 1],
    flops: shape.n * shape.n,
    bytes: 8 * shape.n,
    source: () => wgsl`${scores}
fn seedScore(proposal: u32, class_: u32) -> f32 { return jointScore(proposal, class_); }
${scoresAt}

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {${seedsOfClass}
  for (var a = local; a < u.seeds; a += ${WORKGROUP}u) {
    if (work[dropped + a] == 0u) { atomicStore(&claimed[claims + work[seedOrder + a]], 1u); }
  }
}`,
  });
}

/**
 * Where the draws of the anti-noise sampling come from. `given` holds, in the order of ascending classes, positions
 * in the list of pseudo ground truths ('draws') or uniforms ('uniforms'); 'philox' takes draw j from
 * block counter + j.
 */
export type Sampling = 'none' | 'philox' | 'draws' | 'uniforms';

/**
 * Words of `truths`: how many pseudo ground truths there are before sampling, their proposals, ascending, then
 * whether each survived.
 */
export const truthsSize = (n: number): number => 1 + 2 * n;

/**
 * Settles the claims: classes ascending, a class takes a proposal when its cls·det is greater than that of the class
 * that has it. Writes seedLabels [N] (class + 1, or −1), seedWeights [N] (cls·det, or 0) and `truths`
 * [{@link truthsSize}]. Sampling: of the k pseudo ground truths of a class, k are drawn with replacement with
 * probability
 * w/Σw; those drawn survive. The draw of a uniform v is the first whose cumulative weight, summed in f32 in index
 * order, exceeds v·Σw.
 * Binds cls [N, columns], det [N, columns] or [N, 1], labels [C] of 0 or 1, claimed u32 [C, N], given [number of draws]
 * (see {@link Sampling}; any f32 tensor where none are), seedLabels i32, seedWeights, truths u32.
 */
export function selectPseudoTruths({
  sampling,
  seed = 0,
  counter = 0,
  ...shape
}: MiningShape & { sampling: Sampling; seed?: number; counter?: number }): Kernel<
  'cls' | 'det' | 'labels' | 'claimed' | 'given' | 'seedLabels' | 'seedWeights' | 'truths'
> {
  return defineKernel({
    name: 'mining.selectPseudoTruths',
    constants: { sampling },
    bindings: {
      cls: read(),
      det: read(),
      labels: read(),
      claimed: read('u32'),
      given: read(),
      seedLabels: write('i32'),
      seedWeights: write(),
      truths: write('atomic<u32>'),
    },
    uniforms: {
      ...scoreUniforms(shape),
      seed: u32(seed),
      counterLow: u32(counter >>> 0),
      counterHigh: u32(Math.floor(counter / 2 ** 32)),
    },
    grid: [1, 1, 1],
    flops: shape.n * shape.classes,
    bytes: 4 * shape.n * (shape.classes + 4),
    source: (c) => wgsl`${scores}
var<workgroup> found: array<u32, ${WORKGROUP}>;
#if ${c.sampling === 'philox'}
${philox}
#endif
#if ${c.sampling === 'philox' || c.sampling === 'uniforms'}
fn uniformAt(draw: u32) -> f32 {
#if ${c.sampling === 'philox'}
  return uniform24(philox(u.seed, counterAt(vec2u(u.counterLow, u.counterHigh), draw), 0u).x);
#else
  return given[draw];
#endif
}
#endif

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(local_invocation_index) local: u32) {
  // Every invocation settles a run of neighbouring proposals.
  let run = (u.n + ${WORKGROUP - 1}u) / ${WORKGROUP}u;
  let begin = min(local * run, u.n);
  let end = min(begin + run, u.n);
  var own = 0u;
  for (var i = begin; i < end; i++) {
    var label = -1;
    var weight = -1.0;
    for (var class_ = 0u; class_ < u.classes; class_++) {
      if (labels[class_] == 0.0 || claimed[class_ * u.n + i] == 0u) { continue; }
      let score = jointScore(i, class_);
      if (score > weight) {
        label = i32(class_) + 1;
        weight = score;
      }
    }
    seedLabels[i] = label;
    seedWeights[i] = select(0.0, weight, label > 0);
    own += select(0u, 1u, label > 0);
  }
  found[local] = own;
  workgroupBarrier();

  let list = 1u;
  let survived = list + u.n;
  var place = 0u;
  var count = 0u;
  for (var other = 0u; other < ${WORKGROUP}u; other++) {
    if (other == local) { place = count; }
    count += found[other];
  }
  for (var i = begin; i < end; i++) {
    if (seedLabels[i] < 0) { continue; }
    atomicStore(&truths[list + place], i);
    atomicStore(&truths[survived + place], ${c.sampling === 'none' ? 1 : 0}u);
    place++;
  }
  if (local == 0u) { atomicStore(&truths[0], count); }
#if ${c.sampling !== 'none'}
  storageBarrier();
  for (var k = local; k < count; k += ${WORKGROUP}u) {
#if ${c.sampling === 'draws'}
    let drawn = u32(given[k]);
#else
    // Draws are numbered over all pseudo ground truths, classes ascending, so that no order of execution matters.
    let label = seedLabels[atomicLoad(&truths[list + k])];
    var draw = 0u;
    var total = 0.0;
    for (var other = 0u; other < count; other++) {
      let proposal = atomicLoad(&truths[list + other]);
      let otherLabel = seedLabels[proposal];
      if (otherLabel < label || (otherLabel == label && other < k)) { draw++; }
      if (otherLabel == label) { total += seedWeights[proposal]; }
    }
    let threshold = uniformAt(draw) * total;
    var drawn = k;
    var cumulative = 0.0;
    for (var other = 0u; other < count; other++) {
      let proposal = atomicLoad(&truths[list + other]);
      if (seedLabels[proposal] != label) { continue; }
      drawn = other;
      cumulative += seedWeights[proposal];
      if (cumulative > threshold) { break; }
    }
#endif
    atomicStore(&truths[survived + drawn], 1u);
  }
#endif
}`,
  });
}
