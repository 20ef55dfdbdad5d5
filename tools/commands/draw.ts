import type { Command } from 'commander';
import { parseCount, parseShare } from '../cli/options.ts';
import type { Dataset } from '../datasets/dataset.ts';
import type { Panel } from '../draw/panels.ts';

interface DrawCommandOptions {
  readonly data: string;
  readonly split: string;
  readonly run?: string;
  readonly results?: string;
  readonly labels?: string;
  readonly proposals?: string;
  readonly drawProposals: boolean;
  readonly groundTruth: boolean;
  readonly boxes: boolean;
  readonly minScore: number;
  readonly limit?: number;
  readonly out: string;
}

/** `cim draw`: pictures of instances. Needs no GPU. */
export function register(program: Command): void {
  program
    .command('draw')
    .description('draw objects, proposals, pseudo labels and detections over the images of a data set; on the CPU')
    .requiredOption('--data <folder>', 'the data set')
    .option('--split <name>', 'the part of it', 'val')
    .option('--ground-truth', "draw the annotations' objects", false)
    .option('--draw-proposals', 'draw the contours of the proposals', false)
    .option('--labels <file>', 'draw these pseudo labels')
    .option('--results <file>', 'draw these COCO results, or what is selected from a .pkl or .safetensors of scores')
    .option('--proposals <folder>', 'where the proposals are: the data set with COB, or the run that made them')
    .option('--run <folder>', 'take results, or for the split train pseudo labels, and proposals from this run')
    .option('--boxes', 'add the boxes of masks', false)
    .option('--min-score <score>', 'lowest score of a detection that is drawn', parseShare, 0.3)
    .option('--limit <count>', 'draw so many images, spread over the split (default: all)', parseCount)
    .requiredOption('--out <folder>', 'where the PNG files go, and contact-sheet.png of the first 24')
    .action(async (options: DrawCommandOptions) => {
      const { openDataset } = await import('../datasets/open.ts');
      const { drawPanels } = await import('../draw/draw-dataset.ts');
      const { data, split, out, limit, boxes } = options;
      const dataset = await openDataset({ path: data, split });
      const pictures = await drawPanels({
        dataset,
        panels: await panelsOf(dataset, options),
        folder: out,
        limit,
        boxes,
        report: ({ message }) => console.error(message),
      });
      console.log(`${pictures.length} pictures: ${out}`);
    });
}

async function panelsOf(dataset: Dataset, options: DrawCommandOptions): Promise<Panel[]> {
  const { join } = await import('node:path');
  const { groundTruth } = await import('../datasets/ground-truth.ts');
  const { readGroundTruth } = await import('../datasets/read-ground-truth.ts');
  const { readResults } = await import('../datasets/results.ts');
  const panels = await import('../draw/panels.ts');
  const { ConfigError } = await import('../errors.ts');
  const { holdsScores } = await import('../results/holds-scores.ts');
  const { openScores } = await import('../results/open-scores.ts');
  const { run, split, minScore, drawProposals, proposals = run } = options;
  const ofRun = (file: string, isWanted: boolean): string | undefined =>
    run !== undefined && isWanted ? join(run, file) : undefined;
  const labels = options.labels ?? ofRun('pseudo-labels.json', split === 'train');
  const results = options.results ?? ofRun('results.json', split !== 'train');
  const needProposals = (what: string): string => {
    if (proposals !== undefined) return proposals;
    throw new ConfigError(`${what} without proposals.`, 'Say with --proposals or --run where they are.');
  };
  const found: Panel[] = [];
  if (options.groundTruth) found.push(panels.objectsPanel(dataset, groundTruth(dataset)));
  if (drawProposals) found.push(panels.proposalsPanel(needProposals('Proposals cannot be drawn')));
  if (labels !== undefined) found.push(panels.labelsPanel(dataset, await readGroundTruth(labels)));
  if (results !== undefined && holdsScores(results)) {
    const folder = needProposals(`${results} cannot be drawn`);
    found.push(panels.scoresPanel(dataset, await openScores(results), folder, minScore));
  } else if (results !== undefined) {
    found.push(panels.detectionsPanel(dataset, await readResults(results, dataset.images), minScore));
  }
  if (found.length > 0) return found;
  throw new ConfigError(
    'There is nothing to draw.',
    'Add some of --ground-truth, --draw-proposals, --labels, --results and --run.',
  );
}
