/** Stage 1: a classifier on image labels, from scratch or from published weights. */

import { existsSync } from 'node:fs';
import type { Classifier } from '@cim/model/classify/classifier';
import { classifierInput } from '@cim/model/classify/input';
import { classificationMap } from '@cim/model/evaluate/classification';
import { createClassifier } from '@cim/model/recipe/networks';
import { trainClassifier } from '@cim/model/train/train-classifier';
import { Generator, Tape } from '@cim/runtime';
import type { DatasetImage, LabelledImage } from '../datasets/dataset.ts';
import { ConfigError, firstNames } from '../errors.ts';
import { type DecodeSize, insideSize } from '../images/size.ts';
import { findWeights } from '../weights/find.ts';
import { describeLoaded, loadPublishedWeights } from '../weights/published.ts';
import { readCheckpoint } from './checkpoint.ts';
import { loadTrained } from './checkpoint-content.ts';
import { type RunContext, worked } from './context.ts';
import type { CurvePoint } from './summary.ts';
import { runTraining } from './training-stage.ts';

/** Images looked at to find the size most of them have. */
const SIZE_SAMPLE = 64;

/** The labels of an image as the network takes them, [C] of 0 and 1. */
export function labelVector({ labels }: Pick<LabelledImage, 'labels'>, classes: number): Float32Array {
  const vector = new Float32Array(classes);
  for (const label of labels) vector[label] = 1;
  return vector;
}

/**
 * The size that the classifier sees every image stretched to, since a batch needs one size: the recipe's, or the most
 * frequent working size.
 */
export async function canvasSize(context: RunContext): Promise<DecodeSize> {
  const { train, recipe, images } = context;
  if (recipe.classifier.canvas) return { ...recipe.classifier.canvas, fit: 'fill' };
  const size = insideSize(recipe.workingSize);
  const counts = new Map<string, { count: number; width: number; height: number }>();
  const stride = Math.max(1, Math.floor(train.images.length / SIZE_SAMPLE));
  for (let i = 0; i < train.images.length; i += stride) {
    const image = await images.load(train.images[i], size);
    if (!image) continue;
    const { width, height } = image;
    const key = `${width}×${height}`;
    counts.set(key, { count: (counts.get(key)?.count ?? 0) + 1, width, height });
  }
  const [most] = [...counts.values()].sort((a, b) => b.count - a.count);
  return { width: most?.width ?? recipe.workingSize, height: most?.height ?? recipe.workingSize, fit: 'fill' };
}

/**
 * Trains the classifier, going on where a checkpoint stands; without any steps its weights are taken as they are. Returns the
 * whole curve.
 */
export async function trainClassifierStage(context: RunContext, canvas: DecodeSize): Promise<readonly CurvePoint[]> {
  const { device, folder, recipe, classes, train, images } = context;
  const { training, solver } = recipe.classifier;
  const generator = new Generator(recipe.seed);
  const classifier = createClassifier(device, recipe, classes.length, generator);
  if (!existsSync(folder.classifier)) await startingWeights(context, classifier);
  const source = {
    count: train.images.length,
    load: async (index: number) => {
      const image = await images.load(train.images[index], canvas);
      return image && { image, labels: labelVector(train.images[index], classes.length) };
    },
  };
  return runTraining(context, {
    kind: 'classifier',
    label: 'Classifier',
    steps: training.steps,
    parameters: classifier.parameters,
    solver,
    generator,
    train: (state, hooks) => trainClassifier(device, classifier, state, source, generator, { ...training, ...hooks }),
  });
}

/** Weights to begin with: published ones, or as they were drawn. @throws ConfigError for an untrained classifier. */
async function startingWeights({ recipe, train, report }: RunContext, { parameters }: Classifier): Promise<void> {
  const { weights, training } = recipe.classifier;
  let missing: readonly string[] = [...parameters.tensors.keys()];
  if (weights !== null) {
    const loaded = await loadPublishedWeights(parameters, findWeights(weights, train.root));
    report.info(describeLoaded(loaded));
    missing = loaded.missing;
  }
  if (training.steps > 0 || missing.length === 0) return;
  throw new ConfigError(
    `The classifier has no training steps, and ${weights ?? 'nothing'} gives it its weights: ${firstNames(missing)} missing.`,
    'Name the weights of a trained classifier in classifier.weights, or set classifier.training.steps above 0.',
  );
}

/** The trained classifier of a run. */
export async function loadClassifier(context: RunContext): Promise<Classifier> {
  const { device, recipe, classes, folder } = context;
  const classifier = createClassifier(device, recipe, classes.length, null, { trains: false });
  await loadTrained(await readCheckpoint(folder.classifier, 'classifier'), context, classifier.parameters);
  return classifier;
}

/** Mean AP of image classification, in percent. */
export async function evaluateClassifier(
  context: RunContext,
  canvas: DecodeSize,
  images: readonly DatasetImage[],
): Promise<number> {
  const { device, classes } = context;
  const classifier = await loadClassifier(context);
  const scores: number[] = [];
  const labels: number[] = [];
  const classified = worked(context, 'Classify', images, async (entry) => {
    const image = await context.images.load(entry, canvas);
    if (!image) return null;
    const result = device.scope(() =>
      classifier.scores(new Tape(device, { recording: false }), classifierInput(device, image)),
    );
    const values = await result.read();
    result.dispose();
    return { entry, values };
  });
  for await (const found of classified) {
    if (!found) continue;
    scores.push(...found.values);
    labels.push(...labelVector(found.entry, classes.length));
  }
  classifier.parameters.dispose();
  return 100 * classificationMap(Float32Array.from(scores), Uint8Array.from(labels), classes.length).meanAp;
}
