/** Plain references of the kernels that label proposals. */
import type { PseudoTruths } from './mining.reference.ts';

/**
 * What every proposal is to learn, [N] each: −1 (ignored), 0 (background) or class + 1; 0 or 1; the weight in the loss.
 */
export interface PseudoLabels {
  /** Of shape [N]: −1 ignored, 0 background, else class + 1. */
  readonly pseudoLabels: Int32Array;
  /** [N], 0 or 1. */
  readonly pseudoIou: Float32Array;
  /** [N], 0 where ignored. */
  readonly lossWeights: Float32Array;
}

/** Labels every proposal by the nearest of `survivors`; iou [N, N]. */
export function assignPseudoLabels(
  { seedLabels, seedWeights }: PseudoTruths,
  survivors: readonly number[],
  iou: ArrayLike<number>,
  clsThreshold: number,
  iouThreshold: number,
): PseudoLabels {
  const n = seedLabels.length;
  const pseudoLabels = new Int32Array(n).fill(-1);
  const pseudoIou = new Float32Array(n);
  const lossWeights = new Float32Array(n);
  for (let i = 0; i < n; i++) {
    const { place, overlap } = nearestTruth(survivors, (truth) => iou[i * n + truth]);
    if (overlap === 0) continue;
    const nearest = survivors[place];
    pseudoLabels[i] = overlap < clsThreshold ? 0 : seedLabels[nearest];
    lossWeights[i] = seedWeights[nearest];
    pseudoIou[i] = overlap > iouThreshold ? 1 : 0;
  }
  return { pseudoLabels, pseudoIou, lossWeights };
}

/** The pseudo ground truth of the highest IoU with a proposal, the first of equal ones; its place in the list. */
function nearestTruth(truths: readonly number[], iou: (truth: number) => number): { place: number; overlap: number } {
  const overlaps = truths.map(iou);
  const overlap = Math.max(0, ...overlaps);
  return { place: overlaps.indexOf(overlap), overlap };
}

/**
 * What every proposal is to learn, [N] each: −1 (ignored), 0 (background) or class + 1; the place of its centre in the
 * list, or −1; the weight in the loss.
 */
export interface ProposalClusters {
  /** Of shape [N]: −1 ignored, 0 background, else class + 1. */
  readonly pseudoLabels: Int32Array;
  /** Of shape [N]: the cluster's place in the list, or −1. */
  readonly clusters: Int32Array;
  /** [N], 0 where ignored. */
  readonly lossWeights: Float32Array;
}

/** Gathers proposals round the nearest centre of the list; iou [N, N]. */
export function assignClusters(
  { seedLabels, seedWeights, list }: PseudoTruths,
  iou: ArrayLike<number>,
  foregroundThreshold: number,
  ignoreThreshold: number,
): ProposalClusters {
  const n = seedLabels.length;
  const pseudoLabels = new Int32Array(n).fill(-1);
  const clusters = new Int32Array(n).fill(-1);
  const lossWeights = new Float32Array(n);
  for (let i = 0; i < n; i++) {
    const { place, overlap } = nearestTruth(list, (truth) => iou[i * n + truth]);
    if (overlap === 0 || overlap < ignoreThreshold) continue;
    const foreground = overlap >= foregroundThreshold;
    pseudoLabels[i] = foreground ? seedLabels[list[place]] : 0;
    clusters[i] = foreground ? place : -1;
    lossWeights[i] = seedWeights[list[place]];
  }
  return { pseudoLabels, clusters, lossWeights };
}
