/** Which part of the method brings what: variants of the training from one start, over several seeds. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { CimConfig } from '@cim/model/cim';
import type { CocoJson, CocoResult } from '@cim/model/evaluate/coco-json';
import { closest } from 'fastest-levenshtein';
import { groundTruth } from '../datasets/ground-truth.ts';
import { readResults } from '../datasets/results.ts';
import { ConfigError } from '../errors.ts';
import { writeFileAtomic } from '../formats/atomic.ts';
import { ablationHtml } from '../report/ablation-report.ts';
import { type AblationSummary, lead, type VariantResult, variantResult } from './ablation-summary.ts';
import { scoreResults } from './evaluate.ts';
import { cocoResults, inferImages } from './infer.ts';
import { prepare, type Run } from './run.ts';
import { RunFolder } from './run-folder.ts';
import type { StrategyScores } from './summary.ts';
import { trainCimStage } from './train.ts';

export interface Variant {
  /** For the command line and the names of folders. */
  readonly key: string;
  readonly name: string;
  readonly change: Partial<CimConfig>;
}

/** Full method first; the ablations of the paper's tables that need no other data. */
export const VARIANTS: readonly Variant[] = [
  { key: 'cim', name: 'CIM', change: {} },
  { key: 'mist', name: 'MIST', change: { strategy: 'mist' } },
  { key: 'anti-noise', name: 'anti-noise branch alone', change: { strategy: 'wsddn' } },
  { key: 'wsddn', name: 'WSDDN alone', change: { strategy: 'wsddn', clusterLoss: false } },
  { key: 'no-agpl', name: 'CIM without PCL/AGPL', change: { clusterLoss: false } },
  { key: 'no-sampling', name: 'CIM without anti-noise sampling', change: { antiNoiseSampling: false } },
];

/** The comparisons whose leads are reported, by key. */
const LEADS = [
  ['cim', 'mist'],
  ['cim', 'anti-noise'],
] as const;

/** Variants by their keys, in the order of {@link VARIANTS}. @throws ConfigError for an unknown one. */
export function variantsOf(keys: readonly string[]): Variant[] {
  const known = VARIANTS.map(({ key }) => key);
  for (const key of keys) {
    if (known.includes(key)) continue;
    throw new ConfigError(
      `There is no variant "${key}".`,
      `Did you mean "${closest(key, known)}"? Here are ${known.join(', ')}.`,
    );
  }
  return VARIANTS.filter(({ key }) => keys.includes(key));
}

/**
 * Trains and tests every variant with every seed; results that are in their folders are read. After each variant
 * `ablation.json` and `ablation.html` hold what is known.
 */
export async function ablation(
  run: Run,
  variants: readonly Variant[],
  seeds: readonly number[],
): Promise<AblationSummary> {
  const truth = groundTruth(run.val); // first: it refuses what cannot be evaluated
  await prepare(run, [...run.train.images, ...run.val.images]);
  const results = new Map<string, VariantResult>();
  let summary = summarise(run, seeds, results);
  for (const variant of variants) {
    const runs: StrategyScores[] = [];
    for (const seed of seeds) {
      run.report.info(
        `${variant.name}, seed ${seed} (${results.size * seeds.length + runs.length + 1} of ${variants.length * seeds.length})`,
      );
      runs.push(scoreResults(truth, await variantDetections(run, truth, variant, seed), variant.name, seed));
    }
    results.set(variant.key, variantResult(variant.name, runs));
    summary = summarise(run, seeds, results);
    await writeFileAtomic(join(run.folder.root, 'ablation.json'), JSON.stringify(summary, null, 2));
    await writeFileAtomic(ablationPage(run.folder), ablationHtml(summary));
  }
  return summary;
}

export const ablationPage = ({ root }: RunFolder): string => join(root, 'ablation.html');

/** What a variant finds in the validation split. Trains it, unless it has done so before. */
async function variantDetections(
  run: Run,
  truth: CocoJson,
  { key, change }: Variant,
  seed: number,
): Promise<CocoResult[]> {
  const folder = new RunFolder(join(run.folder.root, `${key}-seed-${seed}`), run.folder);
  if (existsSync(folder.results)) return readResults(folder.results, truth.images);
  const recipe = { ...run.recipe, seed, cim: { ...run.recipe.cim, ...change } };
  const variant: Run = { ...run, folder, recipe };
  await trainCimStage(variant, run.proposals);
  const results: CocoResult[] = [];
  await inferImages(variant, 'Detect', run.val.images, (found) => {
    results.push(...cocoResults(run, found, 'refinement'));
  });
  await writeFileAtomic(folder.results, JSON.stringify(results));
  return results;
}

function summarise(
  { recipe, classes, train, val, device }: Run,
  seeds: readonly number[],
  results: ReadonlyMap<string, VariantResult>,
): AblationSummary {
  return {
    recipe: recipe.name,
    averageThreshold: recipe.labels.averageThreshold,
    data: {
      folder: train.root,
      classes: classes.map(({ name }) => name),
      train: train.images.length,
      val: val.images.length,
    },
    seeds,
    variants: [...results.values()],
    leads: LEADS.flatMap(([of, over]) => {
      const [first, second] = [results.get(of), results.get(over)];
      return first && second ? [lead(first, second)] : [];
    }),
    adapter: device.adapter,
  };
}
