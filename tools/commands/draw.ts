import type { Command } from 'commander';
import { parseCount, parseShare } from '../cli/options.ts';

interface DrawCommandOptions {
  readonly data: string;
  readonly split: string;
  readonly results?: string;
  readonly groundTruth: boolean;
  readonly minScore: number;
  readonly limit?: number;
  readonly out: string;
}

/** `cim draw`: pictures of instances. Needs no GPU. */
export function register(program: Command): void {
  program
    .command('draw')
    .description('draw objects and detections over the images of a data set; on the CPU')
    .requiredOption('--data <folder>', 'the data set')
    .option('--split <name>', 'the part of it', 'val')
    .option('--results <file>', 'draw these COCO results, right of the objects if both are wanted')
    .option('--ground-truth', "draw the annotations' objects", false)
    .option('--min-score <score>', 'lowest score of a detection that is drawn', parseShare, 0.3)
    .option('--limit <count>', 'draw so many images, spread over the split (default: all)', parseCount)
    .requiredOption('--out <folder>', 'where the PNG files go, and contact-sheet.png of the first 24')
    .action(
      async (
        { data, split, results: file, groundTruth: objects, minScore, limit, out }: DrawCommandOptions,
        command: Command,
      ) => {
        if (file === undefined && !objects)
          command.error('error: there is nothing to draw without --results or --ground-truth');
        const { groundTruth } = await import('../datasets/ground-truth.ts');
        const { openDataset } = await import('../datasets/open.ts');
        const { readResults } = await import('../datasets/results.ts');
        const { drawDetections } = await import('../draw/draw-dataset.ts');
        const dataset = await openDataset({ path: data, split });
        const pictures = await drawDetections({
          dataset,
          results: file === undefined ? null : await readResults(file, dataset.images),
          groundTruth: objects ? groundTruth(dataset) : null,
          folder: out,
          limit,
          minScore,
          report: ({ message }) => console.error(message),
        });
        console.log(`${pictures.length} pictures: ${out}`);
      },
    );
}
