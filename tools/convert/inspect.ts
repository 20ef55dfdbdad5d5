/** Which network takes the weights of a file, key by key. */
import type { ParameterStore } from '@cim/model/nn/parameters';
import { createCim, createClassifier } from '@cim/model/recipe/networks';
import type { Recipe } from '@cim/model/recipe/recipe';
import type { PublishedWeights } from '@cim/model/weights/published';
import { type Device, Generator } from '@cim/runtime';
import type { LazyArray } from '../formats/ndarray.ts';
import { openStateDict } from '../formats/state-file.ts';
import { loadPublishedWeights, type PublishedReport, recogniseFile } from '../weights/published.ts';

/** Where each tensor of published weights would go, without a network. @throws CheckpointError for an unknown kind. */
export async function inspectWeights(path: string): Promise<string[]> {
  const state = await openStateDict(path);
  const published = recogniseFile(state.keys(), path);
  const lines = [...state].map(([key, { dtype, shape }]) => {
    const target = published.target(key);
    const place =
      'skipped' in target
        ? `skipped: ${target.skipped}`
        : `→ ${'name' in target ? target.name : `Conv_Body.${target.backbone}`}`;
    return `${key} ${dtype} [${shape}] ${place}`;
  });
  return [...lines, `${path}: ${published.title}, ${state.size} tensors`];
}

/** Loads the weights into a recipe's network, or its classifier where they are PRM's, and reports. */
export async function loadIntoRecipe(device: Device, path: string, recipe: Recipe): Promise<PublishedReport> {
  const state = await openStateDict(path);
  const published = recogniseFile(state.keys(), path);
  const parameters = networkFor(device, recipe, published, state);
  try {
    return await loadPublishedWeights(parameters, path);
  } finally {
    parameters.dispose();
  }
}

function networkFor(
  device: Device,
  recipe: Recipe,
  { kind }: PublishedWeights,
  state: ReadonlyMap<string, LazyArray>,
): ParameterStore {
  const rows = (end: string): number => [...state].find(([key]) => key.endsWith(end))?.[1].shape[0] ?? 0;
  if (kind === 'prm-resnet50' || kind === 'prm-vgg16') {
    return createClassifier(device, recipe, rows('classifier.0.weight'), new Generator(0)).parameters;
  }
  // A checkpoint's classes, with the background; other weights have none.
  const classes = Math.max(1, rows('cls_iou_model.classifier.weight') - 1);
  return createCim(device, recipe, classes, null).parameters;
}
