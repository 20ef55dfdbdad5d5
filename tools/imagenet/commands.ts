/** What the sub-commands of `cim imagenet` do. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { BackboneConfig } from '@cim/model/backbone/index';
import { ImageNetClassifier, imageNetBackbones } from '@cim/model/classify/imagenet';
import { closest } from 'fastest-levenshtein';
import type { GlobalOptions } from '../cli/options.ts';
import { terminalReporter as report } from '../cli/reporter.ts';
import { withDevice } from '../cli/with-device.ts';
import { ConfigError } from '../errors.ts';
import { writeFileAtomic } from '../formats/atomic.ts';
import { checkFolderClasses, type ImageFolder, readImageFolder } from './image-folder.ts';
import { type Accuracy, evaluateImageNet, imageNetFolder, trainImageNetStage } from './imagenet.ts';
import { type ImageNetChoices, imageNetRecipe } from './recipe.ts';
import { loadImageNetWeights } from './weights.ts';

interface CommonOptions {
  readonly model: string;
  readonly data: string;
  readonly batch: number;
  readonly size: number;
  readonly strict: boolean;
}

/** `cim imagenet train`. @throws ConfigError when a training was begun in the folder and is not to be resumed. */
export async function trainCommand(
  options: CommonOptions & { out: string; resume: boolean; weights?: string } & Omit<
      ImageNetChoices,
      'weights' | 'imageSize'
    >,
  global: GlobalOptions,
): Promise<void> {
  const { out, data, size, strict, weights = null } = options;
  const backbone = backboneNamed(options.model);
  if (!options.resume && existsSync(imageNetFolder(out).imagenet)) {
    throw new ConfigError(`A training was begun in ${out}.`, 'Add --resume to go on, or choose another --out folder.');
  }
  const train = await readImageFolder(data, 'train');
  const val = existsSync(join(data, 'val')) ? await readImageFolder(data, 'val') : null;
  if (val) checkFolderClasses(val, train.classes, train.folder);
  const choices = { ...options, imageSize: size, weights };
  const recipe = imageNetRecipe(options.model, backbone, train.images.length, choices);
  await withDevice(global, async (device) => {
    await trainImageNetStage({ device, out, recipe, train, report, strict });
    const file = imageNetFolder(out).imagenet;
    console.log(`Weights: ${file}`);
    if (val) await evaluate(device, backbone, val, { ...options, weights: file });
  });
}

/** `cim imagenet eval`. */
export async function evalCommand(
  options: CommonOptions & { weights: string; json?: string },
  global: GlobalOptions,
): Promise<void> {
  const backbone = backboneNamed(options.model);
  const val = await readImageFolder(options.data, 'val');
  await withDevice(global, async (device) => {
    const accuracy = await evaluate(device, backbone, val, options);
    if (options.json) await writeFileAtomic(options.json, `${JSON.stringify(accuracy, null, 2)}\n`);
  });
}

async function evaluate(
  device: Parameters<typeof evaluateImageNet>[0],
  backbone: BackboneConfig,
  val: ImageFolder,
  { weights, batch, size, strict }: CommonOptions & { weights: string },
): Promise<Accuracy> {
  const classifier = new ImageNetClassifier(device, { backbone, classes: val.classes.length }, null);
  await loadImageNetWeights(weights, classifier, val.classes, report);
  const accuracy = await evaluateImageNet(device, classifier, val, { batch, imageSize: size, report, strict });
  classifier.parameters.dispose();
  const { images, top1, top5 } = accuracy;
  console.log(`Top-1 ${top1.toFixed(2)} %, top-5 ${top5.toFixed(2)} % of ${images} images.`);
  return accuracy;
}

function backboneNamed(name: string): BackboneConfig {
  const backbone = imageNetBackbones.get(name);
  if (backbone) return backbone;
  const names = [...imageNetBackbones.keys()];
  throw new ConfigError(
    `There is no model "${name}".`,
    `Did you mean ${closest(name, names)}? There are ${names.join(', ')}.`,
  );
}
