/** Training and evaluation of image classifiers on folders of classes. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ImageNetClassifier } from '@cim/model/classify/imagenet';
import { classifyImages, ranks, topK } from '@cim/model/classify/imagenet-accuracy';
import { centreView } from '@cim/model/classify/imagenet-input';
import { type ImageNetSample, trainImageNet } from '@cim/model/classify/imagenet-training';
import { type Device, Generator } from '@cim/runtime';
import { OutputError, reasonOf } from '../errors.ts';
import { ImageLoader } from '../images/loader.ts';
import type { Reporter } from '../pipeline/context.ts';
import type { CurvePoint } from '../pipeline/summary.ts';
import { runTraining } from '../pipeline/training-stage.ts';
import { datasetClasses, type ImageFolder } from './image-folder.ts';
import type { ImageNetRecipe } from './recipe.ts';
import { loadImageNetWeights } from './weights.ts';

/** Where a training keeps its checkpoint and its losses. */
export const imageNetFolder = (out: string) => ({
  imagenet: join(out, 'imagenet.safetensors'),
  log: () => join(out, 'imagenet.log.jsonl'),
  monitor: () => join(out, 'imagenet.monitor.jsonl'),
  tensorBoard: () => join(out, 'tensorboard', 'imagenet'),
  kernels: join(out, 'kernels.json'),
});

export interface ImageNetRun {
  readonly device: Device;
  /** The folder of {@link imageNetFolder}. */
  readonly out: string;
  readonly recipe: ImageNetRecipe;
  readonly train: ImageFolder;
  readonly report: Reporter;
  /** The first bad image is an error. */
  readonly strict: boolean;
}

/** Trains, going on where a checkpoint stands. Returns the whole curve. @throws OutputError */
export async function trainImageNetStage(run: ImageNetRun): Promise<readonly CurvePoint[]> {
  const { device, out, recipe, train, report, strict } = run;
  await mkdir(out, { recursive: true }).catch((cause: unknown) => {
    throw new OutputError(`Cannot write to ${out}: ${reasonOf(cause)}.`, 'Choose another folder with --out.', {
      cause,
    });
  });
  const generator = new Generator(recipe.seed);
  const classes = datasetClasses(train.classes);
  const classifier = new ImageNetClassifier(device, { backbone: recipe.backbone, classes: classes.length }, generator);
  const { parameters } = classifier;
  if (recipe.weights) await loadImageNetWeights(recipe.weights, classifier, train.classes, report);
  else classifier.initialise(generator);
  const loader = new ImageLoader({ strict, report: (error) => report.warn(error.message) });
  const source = {
    count: train.images.length,
    load: async (index: number): Promise<ImageNetSample | null> => {
      const { file, label } = train.images[index];
      const image = await loader.loadOrSkip(file);
      return image && { image: { ...image, name: file }, label };
    },
  };
  return runTraining(
    { device, classes, report, recipe, folder: imageNetFolder(out) },
    {
      kind: 'imagenet',
      label: 'ImageNet',
      steps: recipe.training.steps,
      parameters,
      solver: recipe.solver,
      generator,
      train: (solver, hooks) =>
        trainImageNet(device, classifier, solver, source, generator, { ...recipe.training, ...hooks }),
    },
  );
}

/** Percent of the images whose class is the first, or among the first five. */
export interface Accuracy {
  readonly images: number;
  readonly top1: number;
  readonly top5: number;
}

/** Central crops of all images, `batch` at a time. A few bad images are reported and left out. @throws ImageError */
export async function evaluateImageNet(
  device: Device,
  classifier: ImageNetClassifier,
  { images }: ImageFolder,
  { batch, imageSize, report, strict }: { batch: number; imageSize: number } & Pick<ImageNetRun, 'report' | 'strict'>,
): Promise<Accuracy> {
  const loader = new ImageLoader({ cacheBytes: 0, strict, report: (error) => report.warn(error.message) });
  const bar = report.progress('Evaluate', images.length);
  const found: number[] = [];
  let views: ReturnType<typeof centreView>[] = [];
  let labels: number[] = [];
  const classify = async (): Promise<void> => {
    if (views.length > 0) found.push(...ranks(await classifyImages(device, classifier, views), labels));
    bar.advance(views.length);
    [views, labels] = [[], []];
  };
  try {
    for await (const { item, image } of loader.inOrder(images)) {
      views.push(centreView(image, imageSize));
      labels.push(item.label);
      if (views.length === batch) await classify();
    }
    await classify();
  } finally {
    bar.stop();
  }
  return { images: found.length, top1: topK(found, 1), top5: topK(found, 5) };
}
