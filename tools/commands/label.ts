import type { Command } from 'commander';
import { parseShare } from '../cli/options.ts';

interface LabelOptions {
  readonly results: string;
  readonly data: string;
  readonly split: string;
  readonly threshold?: number;
  readonly bestOnly: boolean;
  readonly out: string;
}

/** `cim label`: pseudo labels from results. Needs no GPU. */
export function register(program: Command): void {
  program
    .command('label')
    .description('make pseudo labels for Mask R-CNN from the detections in training images; on the CPU')
    .requiredOption('--results <file>', 'COCO results of the training split, with masks')
    .requiredOption(
      '--data <folder>',
      'the data set; only classes in the labels of an image are taken from the results',
    )
    .option('--split <name>', 'the training split', 'train')
    .option('--threshold <score>', 'lowest score that counts (default: 0.3, with --best-only 0)', parseShare)
    .option('--best-only', 'only the best detection of each class of an image', false)
    .requiredOption('--out <file>', 'the annotation file to write')
    .action(async ({ results: file, data, split, threshold, bestOnly, out }: LabelOptions) => {
      const { labelsOnly } = await import('../datasets/dataset.ts');
      const { openDataset } = await import('../datasets/open.ts');
      const { readResults } = await import('../datasets/results.ts');
      const { writeFileAtomic } = await import('../formats/atomic.ts');
      const { labelDataset } = await import('../label/label-dataset.ts');
      const dataset = await openDataset({ path: data, split });
      const results = await readResults(file, dataset.images);
      const labels = await labelDataset(labelsOnly(dataset), results, { bestOnly, scoreThreshold: threshold });
      await writeFileAtomic(out, JSON.stringify(labels));
      const { images, annotations } = labels;
      const covered = new Set(annotations.map(({ image_id }) => image_id)).size;
      console.log(`${annotations.length} pseudo labels in ${covered} of ${images.length} images: ${out}`);
    });
}
