/** Which part of the method brings what: variants of the training from one start, over several seeds. */
import type { CimConfig } from '@cim/model/cim';
import { groundTruth } from '../datasets/ground-truth.ts';
import { scoreResults } from './evaluate.ts';
import { cocoResults, inferImages } from './infer.ts';
import { prepare, type Run } from './run.ts';
import { RunFolder } from './run-folder.ts';
import type { Scores, StrategyScores } from './summary.ts';
import { trainCimStage } from './train.ts';

interface Variant {
  readonly name: string;
  readonly change: Partial<CimConfig>;
}

/** Full method first; the ablations of the paper's tables that need no other data. */
export const VARIANTS: readonly Variant[] = [
  { name: 'CIM', change: {} },
  { name: 'MIST', change: { strategy: 'mist' } },
  { name: 'anti-noise branch alone', change: { strategy: 'none' } },
  { name: 'WSDDN alone', change: { strategy: 'none', clusterLoss: false } },
  { name: 'CIM without PCL/AGPL', change: { clusterLoss: false } },
  { name: 'CIM without anti-noise sampling', change: { antiNoiseSampling: false } },
];

export interface VariantResult {
  readonly variant: string;
  /** By seed. */
  readonly runs: readonly StrategyScores[];
  readonly mean: Scores;
  /** Standard deviation over the seeds (of the sample). */
  readonly deviation: Scores;
}

const METRICS = ['mAP25', 'mAP50', 'mAP70', 'mAP75', 'AP'] as const;
const statistic = (of: (metric: (typeof METRICS)[number]) => number): Scores =>
  Object.fromEntries(METRICS.map((metric) => [metric, of(metric)])) as unknown as Scores;

/** Trains and tests every variant with every seed; finished ones are read from their folders. */
export async function ablation(run: Run, seeds: readonly number[], onResult: (result: VariantResult) => void): Promise<VariantResult[]> {
  await prepare(run, [...run.train.images, ...run.val.images]);
  const truth = groundTruth(run.val);
  const results: VariantResult[] = [];
  for (const { name, change } of VARIANTS) {
    const runs: StrategyScores[] = [];
    for (const seed of seeds) {
      run.report.info(`${name}, seed ${seed}`);
      const folder = new RunFolder(`${run.folder.root}/${name.replace(/[^a-z0-9]+/gi, '-').toLowerCase()}-seed-${seed}`, run.folder);
      const recipe = { ...run.recipe, seed, cim: { ...run.recipe.cim, ...change } };
      const variant: Run = { ...run, folder, recipe };
      await trainCimStage(variant, run.proposals);
      const detected = await inferImages(variant, 'Detect', run.val.images, run.proposals);
      const head = recipe.cim.strategy === 'none' ? 'antiNoise' : 'refinement';
      runs.push(scoreResults(truth, cocoResults(run, detected, head), name, seed));
    }
    const mean = statistic((metric) => runs.reduce((sum, scores) => sum + scores[metric], 0) / runs.length);
    const deviation = statistic((metric) =>
      Math.sqrt(runs.reduce((sum, scores) => sum + (scores[metric] - mean[metric]) ** 2, 0) / Math.max(1, runs.length - 1)),
    );
    const result = { variant: name, runs, mean, deviation };
    results.push(result);
    onResult(result);
  }
  return results;
}
