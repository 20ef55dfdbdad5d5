import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { evaluateCoco, summaryLines } from '@cim/model/evaluate/coco';
import type { CocoResult } from '@cim/model/evaluate/coco-json';
import { vocReport } from '@cim/model/evaluate/voc-report';
import type { RetrievalOptions } from '@cim/model/prm/index';
import { groundTruth } from '../datasets/ground-truth.ts';
import { ConfigError, DataError } from '../errors.ts';
import { vocTable } from '../evaluate/voc-table.ts';
import { writeFileAtomic } from '../formats/atomic.ts';
import { proposalStage, type Run } from '../pipeline/run.ts';
import { cueListFile, readCueList } from './cues.ts';
import { inferCues, requireClassifier } from './infer.ts';
import { asCocoResults, retrieveSplit } from './retrieve.ts';

/**
 * Retrieves the instances of a split. Cues and proposals that are missing are made. The COCO results stand in
 * `results.json` of the cues' folder; those of the validation split are scored if it has masks.
 *
 * @throws ConfigError for an option that cannot be.
 */
export async function retrieveRun(
  run: Run,
  split: 'train' | 'val',
  folder: string,
  options: RetrievalOptions,
): Promise<{ results: CocoResult[]; file: string; lines: string[] }> {
  if (options.contourWidth % 2 !== 1)
    throw new ConfigError(`A contour of ${options.contourWidth} pixels has no middle.`, 'Give an odd --contour.');
  const { images } = run[split];
  if (!existsSync(cueListFile(folder))) {
    await requireClassifier(run);
    await inferCues(run, { images, labels: 'given', peakThreshold: run.recipe.labels.peakThreshold, folder });
  }
  const list = await readCueList(folder);
  await proposalStage(run, images);
  const results = asCocoResults(await retrieveSplit(run, run.proposals, images, { folder, list, options }));
  const file = join(folder, 'results.json');
  await writeFileAtomic(file, JSON.stringify(results));
  return { results, file, lines: split === 'val' ? scores(run, results) : [] };
}

/** COCO's table and that of the classes. */
function scores({ val, report }: Run, results: readonly CocoResult[]): string[] {
  try {
    const truth = groundTruth(val);
    return [...summaryLines(evaluateCoco(truth, results, { type: 'segm' })), '', vocTable(vocReport(truth, results))];
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    report.info(`Not scored: ${error.message}`);
    return [];
  }
}
