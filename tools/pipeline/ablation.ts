/** Which part of the method brings what: variants of the training from one start, over several seeds. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { CocoJson, CocoResult } from '@cim/model/evaluate/coco-json';
import { groundTruth } from '../datasets/ground-truth.ts';
import { readResults } from '../datasets/results.ts';
import { writeFileAtomic } from '../formats/atomic.ts';
import { ablationHtml } from '../report/ablation-report.ts';
import { type AblationSummary, type Lead, lead, type VariantResult, variantResult } from './ablation-summary.ts';
import { changed, type Variant } from './ablation-variants.ts';
import { scoreResults } from './evaluate.ts';
import { cocoResults, inferImages } from './infer.ts';
import { prepare, type Run } from './run.ts';
import { RunFolder } from './run-folder.ts';
import type { StrategyScores } from './summary.ts';
import { trainCimStage } from './train.ts';

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
async function variantDetections(run: Run, truth: CocoJson, variant: Variant, seed: number): Promise<CocoResult[]> {
  const folder = new RunFolder(join(run.folder.root, `${variant.key}-seed-${seed}`), run.folder);
  if (existsSync(folder.results)) return readResults(folder.results, truth.images);
  const recipe = { ...run.recipe, seed, cim: changed(run.recipe.cim, variant) };
  const own: Run = { ...run, folder, recipe };
  await trainCimStage(own, run.proposals);
  const results: CocoResult[] = [];
  for await (const found of inferImages(own, 'Detect', run.val.images)) {
    results.push(...cocoResults(run, found, 'refinement'));
  }
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
    leads: leadsOf(results),
    adapter: device.adapter,
  };
}

/** How far the full method is ahead of every other variant. */
function leadsOf(results: ReadonlyMap<string, VariantResult>): Lead[] {
  const full = results.get('cim');
  return full ? [...results.values()].filter((other) => other !== full).map((other) => lead(full, other)) : [];
}
