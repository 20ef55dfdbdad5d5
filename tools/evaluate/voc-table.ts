import { formatFixed } from '@cim/model/evaluate/format';
import { type VocReport, vocThresholds } from '@cim/model/evaluate/voc-report';
import { textTable } from '../cli/table.ts';
import type { VocBoxReport } from './voc-box-report.ts';

/** The VOC report for a terminal: mask AP in percent, a line a class, their mean last. */
export function vocTable({ meanAp, byCategory }: VocReport): string {
  const percent = (values: readonly number[]): string[] => values.map((value) => formatFixed(100 * value, 1));
  const rows = byCategory.map(({ name, ap }) => [name, ...percent(ap)]);
  return textTable(
    ['mask AP, %', ...vocThresholds.map((threshold) => `IoU ${formatFixed(threshold, 2)}`)],
    [...rows, ['mean', ...percent(meanAp)]],
  );
}

/** The box report for a terminal, in percent: a line a class, their mean last. */
export function vocBoxTable({ byClass, mean }: VocBoxReport): string {
  const percent = (value: number): string => (value < 0 ? '–' : formatFixed(100 * value, 1));
  const row = (name: string, { ap, ap11, corLoc }: VocBoxReport['mean']): string[] => [
    name,
    ...[ap, ap11, corLoc].map(percent),
  ];
  return textTable(
    ['boxes, %', 'AP', 'AP 11 points', 'CorLoc'],
    [...byClass.map((one) => row(one.name, one)), row('mean', mean)],
  );
}
