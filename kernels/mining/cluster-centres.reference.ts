/** Plain references of the kernels that find pseudo ground truths for OICR and PCL. */
import { jointScore, type PseudoTruths, positiveClasses, type Scores } from './mining.reference.ts';

const LOWEST = Math.fround(1e-9);

/** Proposals that serve no class yet, the best for `class_` first. */
function candidates(scores: Scores, class_: number, taken: Int32Array): { proposal: number; score: number }[] {
  return Array.from({ length: scores.n }, (_, proposal) => proposal)
    .filter((proposal) => taken[proposal] < 0)
    .map((proposal) => ({ proposal, score: Math.max(jointScore(scores, proposal, class_), LOWEST) }))
    .sort((a, b) => b.score - a.score || a.proposal - b.proposal);
}

/** Lets every positive class choose among the candidates, best first. */
function selectByClass(
  scores: Scores,
  choose: (ranked: { proposal: number; score: number }[]) => { proposal: number; score: number }[],
): PseudoTruths {
  const seedLabels = new Int32Array(scores.n).fill(-1);
  const seedWeights = new Float32Array(scores.n);
  const list: number[] = [];
  for (const class_ of positiveClasses(scores)) {
    for (const { proposal, score } of choose(candidates(scores, class_, seedLabels))) {
      seedLabels[proposal] = class_ + 1;
      seedWeights[proposal] = score;
      list.push(proposal);
    }
  }
  return { seedLabels, seedWeights, list };
}

/** OICR's pseudo ground truths: the best proposal of every positive class. */
export const selectTopProposals = (scores: Scores): PseudoTruths =>
  selectByClass(scores, (ranked) => ranked.slice(0, 1));

/**
 * Size of the best cluster of k-means with three clusters of descending scores: the cuts of the least squared
 * distance to the clusters' means. Equal scores stay together.
 */
export function topCluster(descending: readonly number[]): number {
  const m = descending.length;
  const isCut = (k: number): boolean => descending[k] !== descending[k - 1];
  const upper = squaredDistances(descending);
  const lower = squaredDistances([...descending].reverse());
  let best = Infinity;
  let size = 0;
  for (let a = 1; a <= m; a++) {
    if (!isCut(a)) continue;
    const middle = squaredDistances(descending.slice(a));
    for (let b = a; b <= m; b++) {
      if (!isCut(b)) continue;
      const value = upper[a] + middle[b - a] + lower[m - b];
      if (value < best) [best, size] = [value, a];
    }
  }
  return size;
}

/** The sum of squared distances to their mean, of the first 0, 1, 2, … values. */
function squaredDistances(values: readonly number[]): Float64Array {
  const sums = new Float64Array(values.length + 1);
  let mean = 0;
  values.forEach((value, k) => {
    const before = value - mean;
    mean += before / (k + 1);
    sums[k + 1] = sums[k] + before * (value - mean);
  });
  return sums;
}

/** PCL's pseudo ground truths: the most connected of the best proposals of every positive class; iou [N, N]. */
export function selectClusterCentres(
  scores: Scores,
  iou: ArrayLike<number>,
  { graphThreshold, centresPerClass }: { graphThreshold: number; centresPerClass: number },
): PseudoTruths {
  const connected = (a: number, b: number): boolean => a === b || iou[a * scores.n + b] > graphThreshold;
  return selectByClass(scores, (ranked) => {
    let graph = ranked.slice(0, topCluster(ranked.map(({ score }) => score)));
    const centres: { proposal: number; score: number }[] = [];
    while (graph.length > 0) {
      const neighbours = graph.map((a) => graph.filter((b) => connected(a.proposal, b.proposal)));
      const most = Math.max(...neighbours.map(({ length }) => length));
      const centre = neighbours.findIndex(({ length }) => length === most);
      const leaving = neighbours[centre];
      centres.push({ proposal: graph[centre].proposal, score: leaving[0].score });
      graph = graph.filter((member) => !leaving.includes(member));
      if (graph.length <= 5) break;
    }
    return centres.sort((a, b) => b.score - a.score).slice(0, centresPerClass);
  });
}
