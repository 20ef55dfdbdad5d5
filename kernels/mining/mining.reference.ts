/**
 * Plain references of the mining kernels, step by step. Sums and products are rounded to f32 where a decision hangs
 * on them.
 */
import type { MiningShape } from './scores.ts';

/** Classification scores [N, clsColumns], detection scores [N, detColumns] and the image's labels, 0 or 1. */
export interface Scores extends MiningShape {
  /** [N, columns], with the background first if there are C+1. */
  readonly cls: ArrayLike<number>;
  /** [N, columns], or class-agnostic [N, 1]. */
  readonly det: ArrayLike<number>;
  /** [C] */
  readonly labels: ArrayLike<number>;
}

const clsScore = ({ cls, clsColumns, classes }: Scores, proposal: number, class_: number): number =>
  cls[proposal * clsColumns + class_ + clsColumns - classes];
const detScore = (scores: Scores, proposal: number, class_: number): number => {
  const { det, detColumns, classes } = scores;
  if (detColumns === 0) return clsScore(scores, proposal, class_);
  return detColumns === 1 ? det[proposal] : det[proposal * detColumns + class_ + detColumns - classes];
};
/** cls·det of a proposal and class, rounded to f32; cls alone without detection scores. */
export const jointScore = (scores: Scores, proposal: number, class_: number): number =>
  scores.detColumns === 0
    ? clsScore(scores, proposal, class_)
    : Math.fround(clsScore(scores, proposal, class_) * detScore(scores, proposal, class_));

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
/** The classes that the image holds, ascending. */
export const positiveClasses = ({ classes, labels }: Scores): number[] =>
  range(classes).filter((class_) => labels[class_] !== 0);

/** Whether each proposal contains (> threshold) fewer than 0.9·N; containment [N, N]. */
export const usableProposals = (containment: ArrayLike<number>, n: number, threshold: number): boolean[] =>
  range(n).map((i) => range(n).filter((j) => containment[i * n + j] > threshold).length < 0.9 * n);

/** The best `count` proposals of a class, thinned by greedy mask NMS; best first. */
function seedsOf(
  score: (proposal: number) => number,
  n: number,
  count: number,
  iou: ArrayLike<number>,
  nmsThreshold: number,
): number[] {
  const order = range(n)
    .sort((a, b) => score(b) - score(a) || a - b)
    .slice(0, count);
  const kept: number[] = [];
  for (const seed of order) if (kept.every((better) => iou[better * n + seed] < nmsThreshold)) kept.push(seed);
  return kept;
}

/**
 * How seeds are found: iou [N, N], how many proposals of a class are looked at, and the IoU that drops the
 * lesser of two.
 */
export interface SeedOptions {
  /** [N, N] mask IoU. */
  readonly iou: ArrayLike<number>;
  /** Seeds of a class before NMS. */
  readonly seeds: number;
  /** Seeds are kept while their IoU with better ones is below. */
  readonly nmsThreshold: number;
}

/** Per positive class, the proposals it claims, ascending. */
export type Claims = ReadonlyMap<number, readonly number[]>;

const unique = (values: number[]): number[] => [...new Set(values)].sort((a, b) => a - b);

/**
 * CIM's claims: for every seed the usable proposal of the highest detection score that contains it; containment [N, N].
 */
export function claimContainers(
  scores: Scores,
  { iou, seeds, nmsThreshold }: SeedOptions,
  containment: ArrayLike<number>,
  usable: readonly boolean[],
  containmentThreshold: number,
): Claims {
  const { n } = scores;
  const claims = new Map<number, number[]>();
  for (const class_ of positiveClasses(scores)) {
    const containers: number[] = [];
    for (const seed of seedsOf((i) => clsScore(scores, i, class_), n, seeds, iou, nmsThreshold)) {
      const contains = range(n).map((i) => usable[i] && containment[i * n + seed] > containmentThreshold);
      if (!contains.includes(true)) continue;
      const det = contains.map((yes, i) => (yes ? detScore(scores, i, class_) : 0));
      containers.push(det.indexOf(Math.max(...det)));
    }
    claims.set(class_, unique(containers));
  }
  return claims;
}

/** MIST's claims: the seeds themselves. */
export function claimSeeds(scores: Scores, { iou, seeds, nmsThreshold }: SeedOptions): Claims {
  return new Map(
    positiveClasses(scores).map((class_) => [
      class_,
      unique(seedsOf((i) => jointScore(scores, i, class_), scores.n, seeds, iou, nmsThreshold)),
    ]),
  );
}

/**
 * seedLabels [N], class + 1 or −1; seedWeights [N], their scores or 0; and the proposals that are pseudo ground truths.
 */
export interface PseudoTruths {
  /** Of shape [N]: class + 1, or −1. */
  readonly seedLabels: Int32Array;
  /** Of shape [N]: the score of the claim, or 0. */
  readonly seedWeights: Float32Array;
  /** Proposals, ascending. */
  readonly list: readonly number[];
}

/** Gives every claimed proposal to the class of its highest score, the first of equal ones. */
export function settleClaims(scores: Scores, claims: Claims): PseudoTruths {
  const seedLabels = new Int32Array(scores.n).fill(-1);
  const weights = new Float32Array(scores.n).fill(-1);
  for (const [class_, proposals] of claims) {
    for (const proposal of proposals) {
      const score = jointScore(scores, proposal, class_);
      if (score > weights[proposal]) {
        seedLabels[proposal] = class_ + 1;
        weights[proposal] = score;
      }
    }
  }
  const list = range(scores.n).filter((proposal) => seedLabels[proposal] > 0);
  return { seedLabels, seedWeights: weights.map((w, i) => (seedLabels[i] > 0 ? w : 0)), list };
}

/** The surviving proposals, given the uniform of draw j of the image (classes ascending). */
export function sampleTruths(
  { seedLabels, seedWeights, list }: PseudoTruths,
  uniformAt: (draw: number) => number,
): number[] {
  const survivors: number[] = [];
  let draw = 0;
  for (const label of unique(list.map((proposal) => seedLabels[proposal]))) {
    const members = list.filter((proposal) => seedLabels[proposal] === label);
    let total = 0;
    const cumulative = members.map((proposal) => (total = Math.fround(total + seedWeights[proposal])));
    for (const _ of members) {
      const threshold = Math.fround(uniformAt(draw++) * total);
      const position = cumulative.findIndex((sum) => sum > threshold);
      survivors.push(members.at(position)!);
    }
  }
  return unique(survivors);
}
