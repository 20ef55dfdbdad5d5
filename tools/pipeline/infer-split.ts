import { join } from 'node:path';
import type { CocoResult } from '@cim/model/evaluate/coco-json';
import { openDataset } from '../datasets/open.ts';
import { ConfigError } from '../errors.ts';
import { writeDetectionsPickle } from '../results/detections-pickle.ts';
import { writeDetectionTensors } from '../results/detections-tensors.ts';
import { writeCocoResults } from '../results/instances.ts';
import { ScoreSpool } from '../results/spool.ts';
import { cocoResults, inferImages } from './infer.ts';
import { proposalStage, type Run } from './run.ts';

/** What `cim infer` wrote. */
export interface SplitInference {
  readonly detections: number;
  /** COCO results. */
  readonly resultsFile: string;
  /** Scores of all proposals, from which `cim eval`, `cim label` and `cim draw` select. */
  readonly scoresFile: string;
}

/** The original's names: what is found in training images is called discovery (tools/test_net.py). */
const PICKLES = { train: 'discovery.pkl', val: 'detections.pkl', test: 'detections.pkl' } as const;
const isSplit = (name: string): name is keyof typeof PICKLES => Object.hasOwn(PICKLES, name);

/**
 * Finds the instances of a split with the run's network, and writes COCO results and the scores of all proposals.
 *
 * @param pickle scores as the original's pickle instead of a safetensors file.
 * @throws ConfigError for a split that does not exist.
 */
export async function inferSplit(
  run: Run,
  split: string,
  { pickle = false, resultsFile = join(run.folder.root, `results-${split}.json`) } = {},
): Promise<SplitInference> {
  if (!isSplit(split)) throw new ConfigError(`There is no split "${split}".`, 'Give train, val or test.');
  const { folder, classes, recipe } = run;
  const { images } = split === 'test' ? await openDataset({ path: run.train.root, split, classes }) : run[split];
  const scoresFile = join(folder.root, pickle ? PICKLES[split] : `scores-${split}.safetensors`);
  await proposalStage(run, images);
  const spool = await ScoreSpool.create(folder.root, classes.length);
  let detections = 0;
  async function* results(): AsyncGenerator<CocoResult> {
    for await (const found of inferImages(run, 'Detect', images)) {
      const { entry, scores, proposals } = found;
      await spool.add({ file: entry.file, id: entry.id }, { scores: scores.refinement, boxes: proposals.boxes });
      const own = cocoResults(run, found, 'refinement');
      detections += own.length;
      yield* own;
    }
  }
  try {
    await writeCocoResults(resultsFile, results());
    if (pickle) await writeDetectionsPickle(scoresFile, spool, JSON.stringify(recipe));
    else await writeDetectionTensors(scoresFile, spool, classes);
  } finally {
    await spool.close();
  }
  return { detections, resultsFile, scoresFile };
}
