/** All operations of a recipe that several kernels can run, found without running any. */
import type { Operation } from '@cim/kernels/operation';
import { Cim, lossParts } from '@cim/model/cim';
import { Classifier } from '@cim/model/classify/classifier';
import { classifierInput } from '@cim/model/classify/input';
import { testPasses } from '@cim/model/infer/test-passes';
import { OverlapCache } from '@cim/model/masks/index';
import type { Recipe } from '@cim/model/recipe/recipe';
import { type SeenSample, stack, uploadBatch, uploadSupervision } from '@cim/model/train/sample';
import { type Device, Generator, Tape } from '@cim/runtime';
import { madeUpSample, type SampleSize } from '../step/sample.ts';

/** Calls of operations of one class. */
export interface FoundOperation {
  /** Of the first shape met, which is tuned for all. */
  readonly operation: Operation;
  calls: number;
}

export interface RecipeSizes extends SampleSize {
  readonly recipe: Recipe;
}

/**
 * Traces a training step and the inference of an image, of the network and of the classifier before it, on made-up
 * data. Most work first.
 */
export function operationsOf(device: Device, options: RecipeSizes): FoundOperation[] {
  const found = new Map<string, FoundOperation>();
  const { variants } = device;
  variants.observer = ({ operation }) => {
    const known = found.get(operation.key);
    if (known) known.calls++;
    else found.set(operation.key, { operation, calls: 1 });
  };
  try {
    device.kernelsOf(() => {
      traceNetwork(device, options);
      traceClassifier(device, options);
    });
  } finally {
    variants.observer = undefined;
  }
  return [...found.values()].sort((a, b) => b.operation.flops * b.calls - a.operation.flops * a.calls);
}

/** How many images go through the network at once: full passes, and what is left for the last. */
const passSizes = (images: number, perPass: number): Set<number> =>
  new Set([Math.min(images, perPass), images % perPass].filter((count) => count > 0));

function traceNetwork(device: Device, { recipe, ...size }: RecipeSizes): void {
  const { classes, width, height } = size;
  const cim = new Cim(device, { ...recipe.cim, classes, backbone: recipe.backbone }, new Generator(recipe.seed));
  const sample = madeUpSample(size);
  const overlaps = new OverlapCache(device);
  const seen = (targetSize: number, count: number): SeenSample[] =>
    Array.from({ length: count }, () => ({ sample, view: { flip: false, targetSize } }));
  const longer = Math.max(width, height);
  const { view, imagesPerStep, imagesPerPass } = recipe.training;
  for (const target of view.type === 'resize' ? view.sizes : [longer]) {
    for (const count of passSizes(imagesPerStep, imagesPerPass)) {
      device.scope(() => {
        const tape = new Tape(device);
        for (const scores of cim.forward(tape, uploadBatch(device, seen(target, count)))) {
          const supervision = uploadSupervision(device, sample, overlaps);
          lossParts(cim.losses(tape, scores, supervision, () => ({ seed: 0, counter: 0 })));
        }
        tape.backward();
      });
    }
  }
  const passes = testPasses(recipe.test, longer);
  for (const target of new Set(passes.map((pass) => pass.size))) {
    const views = passes.filter((pass) => pass.size === target).length;
    device.scope(() => {
      cim.forward(new Tape(device, { recording: false }), uploadBatch(device, seen(target, views)));
    });
  }
  overlaps.dispose();
  cim.parameters.dispose();
}

function traceClassifier(device: Device, { recipe, classes, ...size }: RecipeSizes): void {
  const { backbone, pooling, training, canvas } = recipe.classifier;
  const config = { classes, backbone: backbone ?? recipe.backbone, pooling };
  const classifier = new Classifier(device, config, new Generator(recipe.seed));
  const { width, height } = canvas ?? size;
  const image = { width, height, rgb: new Uint8Array(3 * width * height) };
  for (const count of training.steps > 0 ? passSizes(training.batch, training.imagesPerPass) : []) {
    device.scope(() => {
      const tape = new Tape(device);
      const images = Array.from({ length: count }, () => classifierInput(device, image));
      const targets = device.zeros([count, classes]);
      const batchStatistics = training.statistics === 'batch';
      classifier.loss(tape, stack(device, images), targets, { batchStatistics });
      tape.backward();
    });
  }
  device.scope(() => {
    classifier.scores(new Tape(device, { recording: false }), classifierInput(device, image));
  });
  classifier.parameters.dispose();
}
