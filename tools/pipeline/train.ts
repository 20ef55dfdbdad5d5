/** Stage 3: the network, on image labels and the clusters of stage 2. */

import { existsSync } from 'node:fs';
import type { Cim } from '@cim/model/cim';
import type { ParameterStore } from '@cim/model/nn/parameters';
import { createCim } from '@cim/model/recipe/networks';
import type { Recipe } from '@cim/model/recipe/recipe';
import type { HostSample } from '@cim/model/train/sample';
import { trainCim } from '@cim/model/train/train-cim';
import { Generator } from '@cim/runtime';
import { expandClusters, readClusters } from '../assign/clusters.ts';
import { DataError } from '../errors.ts';
import { insideSize } from '../images/size.ts';
import type { ProposalSource } from '../proposals/source.ts';
import { findWeights } from '../weights/find.ts';
import { describeLoaded, loadPublishedWeights } from '../weights/published.ts';
import { readCheckpoint } from './checkpoint.ts';
import { loadTrained } from './checkpoint-content.ts';
import { labelVector } from './classify.ts';
import type { RunContext } from './context.ts';
import type { Preview } from './monitor.ts';
import type { CurvePoint } from './summary.ts';
import { runTraining } from './training-stage.ts';

/** Whether the network's backbone starts as the classifier's. */
export const startsFromClassifier = ({ backboneWeights, classifier }: Recipe): boolean =>
  backboneWeights === null && classifier.backbone === null;

/**
 * Trains the network, going on where a checkpoint stands. Returns the whole curve.
 * @param preview looks at what a checkpoint can do, for people who watch.
 */
export async function trainCimStage(
  context: RunContext,
  proposals: ProposalSource,
  preview?: () => Promise<Preview>,
): Promise<readonly CurvePoint[]> {
  const { device, folder, recipe, classes } = context;
  const { training, solver } = recipe;
  const generator = new Generator(recipe.seed);
  const begun = existsSync(folder.cim);
  const cim = createCim(device, recipe, classes.length, begun ? null : generator); // a checkpoint holds all weights
  if (!begun) await startingWeights(context, cim.parameters);
  const source = await sampleSource(context, proposals);
  return runTraining(context, {
    kind: 'cim',
    label: 'Train',
    steps: training.steps,
    parameters: cim.parameters,
    solver,
    generator,
    train: (state, hooks) => trainCim(device, cim, state, source, generator, { ...training, ...hooks }),
    preview,
  });
}

/** Weights to begin with: published ones, the classifier's backbone, or as they were drawn. */
async function startingWeights(
  { folder, recipe, train, report }: RunContext,
  parameters: ParameterStore,
): Promise<void> {
  if (recipe.backboneWeights !== null) {
    const file = findWeights(recipe.backboneWeights, train.root);
    report.info(describeLoaded(await loadPublishedWeights(parameters, file)));
  } else if (startsFromClassifier(recipe)) {
    const classifier = await readCheckpoint(folder.classifier, 'classifier');
    await parameters.load(classifier.model, { strict: false });
  }
}

/** Samples of the training split. An image without proposals or labels is reported and skipped. */
async function sampleSource(context: RunContext, proposals: ProposalSource) {
  const { train, classes, folder, recipe, report, images } = context;
  const size = insideSize(recipe.workingSize);
  const clusters = await readClusters(folder.labels, recipe, classes);
  return {
    count: train.images.length,
    load: async (index: number): Promise<HostSample | null> => {
      const entry = train.images[index];
      const image = await images.load(entry, size);
      const regions = image && (await proposals.load(entry, image))?.network;
      if (!regions) return null;
      const assigned = clusters.get(entry.id);
      if (!assigned) {
        report.warn(`${entry.fileName} has no cluster labels in ${folder.labels}: it is left out.`);
        return null;
      }
      if (assigned.length !== 2 * regions.masks.count) {
        throw new DataError(
          `${folder.labels} labels ${assigned.length / 2} proposals of ${entry.fileName}, which has ${regions.masks.count}.`,
          'The labels belong to other proposals: delete the file and run `cim assign` again.',
        );
      }
      const labels = labelVector(entry, classes.length);
      return { image, proposals: regions, labels, clusters: expandClusters(assigned, classes.length + 1) };
    },
  };
}

/** The trained network of a run. */
export async function loadCim(context: RunContext): Promise<Cim> {
  const { device, recipe, classes, folder } = context;
  const cim = createCim(device, recipe, classes.length, null, { trains: false });
  await loadTrained(await readCheckpoint(folder.cim, 'cim'), context, cim.parameters);
  return cim;
}
