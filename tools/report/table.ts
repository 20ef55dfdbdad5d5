import { formatFixed } from '@cim/model/evaluate/format';
import { duration } from '../cli/progress.ts';
import { textTable } from '../cli/table.ts';
import type { RunSummary, Scores } from '../pipeline/summary.ts';
import { gibibytes, percent, scoreNames } from './numbers.ts';

/** What came out of a run, for a terminal: the scores of every strategy, then time and memory. */
export function summaryTable({ strategies, proposals, classifier, seconds, peakBytes, skipped }: RunSummary): string {
  const names = Object.keys(scoreNames) as (keyof Scores)[];
  const rows = strategies.map((scores) => [
    scores.strategy,
    String(scores.seed),
    ...names.map((name) => percent(scores[name])),
  ]);
  const bound = names.map((name) => (name === 'mAP50' ? percent(proposals.upperBoundMAP50) : ''));
  const { meanBestIoU, recall50, perImage, secondsPerImage } = proposals;
  const total = Object.values(seconds).reduce((a, b) => a + b, 0);
  return [
    textTable(
      ['mask AP, %', 'seed', ...names.map((name) => scoreNames[name])],
      [...rows, ['upper bound of proposals', '', ...bound]],
    ),
    '',
    `Proposals: mean best IoU ${formatFixed(meanBestIoU, 3)}, recall at IoU .5 ${percent(100 * recall50)} %; ` +
      `${formatFixed(perImage, 0)} an image, ${formatFixed(secondsPerImage, 2)} s each image`,
    ...(classifier ? [`Image classification: mAP ${percent(classifier.mAP)} %`] : []),
    `Time: ${duration(total)}; GPU memory: ${gibibytes(peakBytes)}`,
    ...(skipped.length > 0 ? [`Skipped images: ${skipped.length}, listed in the report`] : []),
  ].join('\n');
}
