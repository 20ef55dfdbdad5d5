/** The networks of a run, on the device. */
import type { Cim } from '@cim/model/cim';
import type { Classifier } from '@cim/model/classify/classifier';
import type { ParameterStore } from '@cim/model/nn/parameters';
import { createCim, createClassifier } from '@cim/model/recipe/networks';
import type { Recipe } from '@cim/model/recipe/recipe';
import type { Device } from '@cim/runtime/device';
import type { DatasetClass } from '../../datasets/dataset.ts';
import { ConfigError, reasonOf } from '../../errors.ts';
import { checkpointFailure, type Fail } from '../../formats/bytes.ts';
import { isRecord } from '../../formats/json.ts';
import { parseSafetensors } from '../../formats/safetensors-content.ts';
import { type Checkpoint, type CheckpointKind, checkpointOf, loadTrained } from '../../pipeline/checkpoint-content.ts';
import { type Download, download, fetchFile } from './download.ts';
import type { NetworkFiles } from './messages.ts';

export interface Networks {
  readonly recipe: Recipe;
  readonly classes: readonly DatasetClass[];
  readonly cim: Cim;
  readonly classifier: Classifier | null;
}

/**
 * Downloads networks and loads them as they arrive.
 *
 * @param onShare told how much of the weights is here, 0 to 1.
 * @throws CheckpointError when a file is missing, damaged or of another network; ConfigError for a recipe that is none.
 */
export async function openNetworks(
  device: Device,
  files: NetworkFiles,
  onShare: (share: number) => void,
): Promise<Networks> {
  const recipe = await fetchRecipe(files.recipe);
  const part = files.classifier === null ? 1 : 0.5;
  const { cim, classes } = await openWeights(files.cim, 'cim', part, 0, onShare, async (checkpoint) => {
    const made = createCim(device, recipe, checkpoint.classes.length, null, { trains: false });
    await loaded(checkpoint, checkpoint.classes, made.parameters);
    return { cim: made, classes: checkpoint.classes };
  });
  if (files.classifier === null) return { recipe, classes, cim, classifier: null };
  const classifier = await openWeights(files.classifier, 'classifier', part, part, onShare, async (checkpoint) => {
    const made = createClassifier(device, recipe, classes.length, null, { trains: false });
    await loaded(checkpoint, classes, made.parameters);
    return made;
  });
  return { recipe, classes, cim, classifier };
}

async function fetchRecipe(address: string): Promise<Recipe> {
  const fail: Fail = (problem, cause) => {
    throw new ConfigError(`Cannot use ${address}: ${problem}.`, 'Serve the folder of a finished run.', { cause });
  };
  const response = await fetchFile(address, fail);
  const recipe: unknown = await response.json().catch((error: unknown) => fail(reasonOf(error), error));
  const parts = ['backbone', 'classifier', 'proposals', 'labels', 'cim', 'test'];
  const missing = isRecord(recipe) ? parts.find((name) => !isRecord(recipe[name])) : parts[0];
  return missing === undefined ? (recipe as unknown as Recipe) : fail(`it is no recipe: "${missing}" is missing`);
}

/** Runs `use` on the checkpoint while it is on its way: what comes behind the weights is not waited for. */
async function openWeights<T>(
  address: string,
  kind: CheckpointKind,
  part: number,
  before: number,
  onShare: (share: number) => void,
  use: (checkpoint: Checkpoint) => Promise<T>,
): Promise<T> {
  let needed = Number.POSITIVE_INFINITY;
  const file: Download = await download(address, (received) => {
    onShare(before + part * Math.min(1, received / needed));
  });
  try {
    const content = await parseSafetensors(file, checkpointFailure(address));
    const checkpoint = checkpointOf(content, address, kind);
    needed = [...checkpoint.model.values()].reduce((sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0);
    return await use(checkpoint);
  } finally {
    file.close();
  }
}

async function loaded(
  checkpoint: Checkpoint,
  classes: readonly DatasetClass[],
  parameters: ParameterStore,
): Promise<void> {
  try {
    await loadTrained(checkpoint, { classes }, parameters);
  } catch (error) {
    parameters.dispose();
    throw error;
  }
}
