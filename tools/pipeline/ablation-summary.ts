/** What the runs of an ablation say together. */
import type { AdapterDescription } from '@cim/runtime';
import type { RunSummary, Scores, StrategyScores } from './summary.ts';

/** Over the seeds. */
export interface Spread {
  readonly mean: Scores;
  /** Standard deviation of the sample; 0 for one seed. */
  readonly deviation: Scores;
}

export interface VariantResult extends Spread {
  readonly variant: string;
  /** By seed. */
  readonly runs: readonly StrategyScores[];
}

/** How far one variant is ahead of another, seed by seed: both start from the same classifier, proposals and labels. */
export interface Lead extends Spread {
  readonly of: string;
  readonly over: string;
  /** Differences in percentage points, by seed. */
  readonly runs: readonly (Scores & { readonly seed: number })[];
}

/** `ablation.json`. */
export interface AblationSummary {
  readonly recipe: string;
  /** Threshold of AGPL's average mask. */
  readonly averageThreshold: number;
  readonly data: RunSummary['data'];
  readonly seeds: readonly number[];
  readonly variants: readonly VariantResult[];
  readonly leads: readonly Lead[];
  readonly adapter: AdapterDescription;
}

const scoresOf = (of: (metric: keyof Scores) => number): Scores => ({
  mAP25: of('mAP25'),
  mAP50: of('mAP50'),
  mAP70: of('mAP70'),
  mAP75: of('mAP75'),
  AP: of('AP'),
});

function spread(runs: readonly Scores[]): Spread {
  const sum = (of: (scores: Scores) => number): number => runs.reduce((total, scores) => total + of(scores), 0);
  const mean = scoresOf((metric) => sum((scores) => scores[metric]) / runs.length);
  const deviation = scoresOf((metric) =>
    Math.sqrt(sum((scores) => (scores[metric] - mean[metric]) ** 2) / Math.max(1, runs.length - 1)),
  );
  return { mean, deviation };
}

export const variantResult = (variant: string, runs: readonly StrategyScores[]): VariantResult => ({
  variant,
  runs,
  ...spread(runs),
});

/** The lead of one variant over another that ran with the same seeds. */
export function lead(first: VariantResult, second: VariantResult): Lead {
  const runs = first.runs.map((scores, i) => ({
    seed: scores.seed,
    ...scoresOf((metric) => scores[metric] - second.runs[i][metric]),
  }));
  return { of: first.variant, over: second.variant, runs, ...spread(runs) };
}
