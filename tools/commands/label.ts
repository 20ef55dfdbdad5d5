import { type Command, Option } from 'commander';
import { parseShare } from '../cli/options.ts';

interface LabelOptions {
  readonly results: string;
  readonly proposals?: string;
  readonly data: string;
  readonly split: string;
  readonly threshold?: number;
  readonly bestOnly: boolean;
  readonly is_best: boolean;
  readonly segmentation: 'counts' | 'rle';
  readonly out: string;
}

/** `cim label`: pseudo labels from results. Needs no GPU. */
export function register(program: Command): void {
  program
    .command('label')
    .description('make pseudo labels for Mask R-CNN from the detections in training images; on the CPU')
    .requiredOption(
      '--results <file>',
      'COCO results of the training split, with masks; or scores of proposals: discovery.pkl or .safetensors',
    )
    .option('--proposals <folder>', 'for scores: the data set with COB proposals, or the run that made proposals')
    .requiredOption(
      '--data <folder>',
      'the data set; only classes in the labels of an image are taken from the results',
    )
    .option('--split <name>', 'the training split', 'train')
    .option('--threshold <score>', 'lowest score that counts (default: 0.3, with --best-only 0)', parseShare)
    .option('--best-only', 'only the best detection of each class of an image', false)
    .option('--is_best', 'the same, as the original calls it', false)
    .addOption(
      new Option('--segmentation <form>', 'masks as plain run lengths, like the original, or compressed')
        .choices(['counts', 'rle'])
        .default('counts'),
    )
    .requiredOption('--out <file>', 'the annotation file to write')
    .action(async ({ results: file, proposals, data, split, threshold, segmentation, out, ...best }: LabelOptions) => {
      const { openDataset } = await import('../datasets/open.ts');
      const { readResults } = await import('../datasets/results.ts');
      const { ConfigError } = await import('../errors.ts');
      const { resultsOfImages, scoresOfImages } = await import('../label/label-dataset.ts');
      const { writePseudoLabels } = await import('../label/write-labels.ts');
      const { holdsScores } = await import('../results/holds-scores.ts');
      const { openScores } = await import('../results/open-scores.ts');
      const dataset = await openDataset({ path: data, split });
      const scored = holdsScores(file);
      if (scored && proposals === undefined) {
        throw new ConfigError(
          `${file} holds scores of proposals, not their masks.`,
          'Say with --proposals where the proposals are: the folder of the data set with COB, or of the run.',
        );
      }
      const images = scored
        ? scoresOfImages(dataset, await openScores(file), proposals!)
        : resultsOfImages(dataset, await readResults(file, dataset.images));
      const { annotations, ...count } = await writePseudoLabels(out, images, dataset.classes, {
        bestOnly: best.bestOnly || best.is_best,
        scoreThreshold: threshold,
        segmentation,
      });
      console.log(`${annotations} pseudo labels in ${count.covered} of ${count.images} images: ${out}`);
    });
}
