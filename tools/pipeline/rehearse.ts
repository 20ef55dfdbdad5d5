/** The stages of a recipe on made-up data, for their kernels: run within `device.kernelsOf`. */
import { lossParts } from '@cim/model/cim';
import { classifierInput } from '@cim/model/classify/input';
import {
  blankImage,
  rehearsePeaks,
  rehearseScoring,
  rehearseProposals as rehearseSuperpixels,
} from '@cim/model/infer/rehearse';
import { testPasses } from '@cim/model/infer/test-passes';
import { OverlapCache } from '@cim/model/masks/index';
import type { ParameterStore } from '@cim/model/nn/parameters';
import { createCim, createClassifier } from '@cim/model/recipe/networks';
import type { Recipe } from '@cim/model/recipe/recipe';
import { Solver, type SolverConfig } from '@cim/model/solver/solver';
import { badGradients } from '@cim/model/train/loop';
import {
  type Augmentation,
  type SeenSample,
  stack,
  uploadBatch,
  uploadImage,
  uploadSupervision,
} from '@cim/model/train/sample';
import { type Device, Tape } from '@cim/runtime';
import { madeUpSample, type SampleSize } from '../step/sample.ts';

export interface RecipeSizes extends SampleSize {
  readonly recipe: Recipe;
}

/** How many images go through the network at once: full passes, and what is left for the last. */
const passSizes = (images: number, perPass: number): Set<number> =>
  new Set([Math.min(images, perPass), images % perPass].filter((count) => count > 0));

/** An image as it is. */
const AS_IT_IS: Augmentation = {
  flip: false,
  scale: 1,
  shiftX: 0,
  shiftY: 0,
  brightness: 1,
  offset: 0,
  channels: [1, 1, 1],
};

/** Stage 1: a step of its training, where it is trained. */
export function rehearseClassifierTraining(device: Device, { recipe, classes, ...size }: RecipeSizes): void {
  const { training, canvas, solver } = recipe.classifier;
  const classifier = createClassifier(device, recipe, classes, null);
  const image = blankImage(canvas ?? size);
  for (const count of training.steps > 0 ? passSizes(training.batch, training.imagesPerPass) : []) {
    device.scope(() => {
      const tape = new Tape(device);
      const images = Array.from({ length: count }, () => uploadImage(device, image, AS_IT_IS));
      const targets = device.zeros([count, classes]);
      const batchStatistics = training.statistics === 'batch';
      classifier.loss(tape, stack(device, images), targets, { batchStatistics });
      tape.backward();
    });
    rehearseUpdate(device, classifier.parameters, solver);
  }
  classifier.parameters.dispose();
}

/** The classifier's scores of an image, and the search for its peaks. */
export function rehearseClassifier(device: Device, { recipe, classes, ...size }: RecipeSizes): void {
  const classifier = createClassifier(device, recipe, classes, null);
  const canvas = recipe.classifier.canvas ?? size;
  device.scope(() => {
    classifier.scores(new Tape(device, { recording: false }), classifierInput(device, blankImage(canvas)));
  });
  if (recipe.labels.source === 'peaks') rehearsePeaks(device, classifier, canvas);
  classifier.parameters.dispose();
}

export function rehearseProposals(device: Device, { recipe: { proposals }, ...size }: RecipeSizes): void {
  if (proposals.type === 'superpixels') rehearseSuperpixels(device, size, proposals.superpixels);
}

/** Stage 3: steps of its training, one for every size an image may be seen at, and the inference of an image. */
export function rehearseNetwork(device: Device, { recipe, ...size }: RecipeSizes): void {
  const { classes, width, height } = size;
  const cim = createCim(device, recipe, classes, null);
  const sample = madeUpSample(size);
  const overlaps = new OverlapCache(device);
  const seen = (view: SeenSample['view'], count: number): SeenSample[] =>
    Array.from({ length: count }, () => ({ sample, view }));
  const { view, imagesPerStep, imagesPerPass } = recipe.training;
  const views = view.type === 'resize' ? view.sizes.map((targetSize) => ({ flip: false, targetSize })) : [AS_IT_IS];
  for (const own of views) {
    for (const count of passSizes(imagesPerStep, imagesPerPass)) {
      device.scope(() => {
        const tape = new Tape(device);
        for (const scores of cim.forward(tape, uploadBatch(device, seen(own, count)))) {
          const supervision = uploadSupervision(device, sample, overlaps);
          lossParts(cim.losses(tape, scores, supervision, () => ({ seed: 0, counter: 0 })));
        }
        tape.backward();
      });
    }
  }
  rehearseUpdate(device, cim.parameters, recipe.solver);
  rehearseScoring(device, cim, size, size.proposals, testPasses(recipe.test, Math.max(width, height)));
  overlaps.dispose();
  cim.parameters.dispose();
}

function rehearseUpdate(device: Device, parameters: ParameterStore, config: SolverConfig): void {
  const solver = new Solver(device, parameters, config);
  device.scope(() => void badGradients(device, parameters));
  solver.step(0);
  solver.dispose();
}
