import { type Command, Option } from 'commander';
import { parseCount } from './options.ts';

/**
 * Adds the options of {@link RunCommandOptions}; loads nothing, so that `cim --help` stays quick.
 * @param fallback the preset where none is named, in words
 */
export const addRunOptions = (command: Command, fallback = 'small, on SwiftShader short'): Command =>
  command
    .requiredOption(
      '--data <folder>',
      'the data set: JPEGImages/ with annotations/train.json and val.json; data/VOC2012, data/coco2017',
    )
    .requiredOption('--out <folder>', 'where the run keeps its files')
    .option(
      '--preset <name>',
      'the recipe: small, demo, demo-hrnet, short, prm; one of the paper: hrnet48_voc, hrnet48_coco, resnet50_voc, ' +
        'resnet50_voc_point, resnet50_coco, vgg16_voc, vgg16_coco; or a JSON or YAML file; ' +
        `default ${fallback}`,
    )
    .addOption(
      new Option(
        '--cfg <file>',
        'a configuration of the original (configs/*.yaml) instead of a recipe of ours',
      ).conflicts('preset'),
    )
    .option(
      '--set <key=value...>',
      'change single settings of the recipe, as training.steps=300; of a --cfg: KEY VALUE, as SOLVER.BASE_LR 0.001',
      [],
    )
    .option('--strict', 'stop at the first image that cannot be read', false);

/** What `cim serve` shows of a training while it goes on. */
export const previewOption = (): Option =>
  new Option('--preview <count>', 'try every checkpoint on so many validation images, for cim serve to show')
    .argParser(parseCount)
    .default(0);
