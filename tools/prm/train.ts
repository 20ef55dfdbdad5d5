/** `cim prm train`: the classifier of a run by itself. */
import { labelsOnly } from '../datasets/dataset.ts';
import { openSplits } from '../datasets/open.ts';
import { canvasSize, evaluateClassifier, trainClassifierStage } from '../pipeline/classify.ts';
import type { RunContext } from '../pipeline/context.ts';
import { chooseRecipe, type RecipeOptions } from '../pipeline/recipe-options.ts';
import type { CurvePoint } from '../pipeline/summary.ts';
import { requireReadable } from '../pipeline/working-images.ts';

/** The number of steps in which the recipe's batches show every labelled training image `epochs` times. */
export async function stepsOfEpochs(data: string, epochs: number, options: RecipeOptions): Promise<number> {
  const { train } = await openSplits(data);
  const { batch } = (await chooseRecipe(options)).classifier.training;
  return Math.ceil((epochs * labelsOnly(train).images.length) / batch);
}

/** Trains, going on where a checkpoint stands, and tests on the validation split: mean AP in percent. */
export async function trainPrm(run: RunContext): Promise<{ curve: readonly CurvePoint[]; map: number }> {
  for (const split of [run.train, run.val]) await requireReadable(run, split);
  const canvas = await canvasSize(run);
  const curve = await trainClassifierStage(run, canvas);
  return { curve, map: await evaluateClassifier(run, canvas, run.val.images) };
}
