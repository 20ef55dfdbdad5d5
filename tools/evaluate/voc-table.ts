import { formatFixed } from '@cim/model/evaluate/format';
import { type VocReport, vocThresholds } from '@cim/model/evaluate/voc-report';
import { textTable } from '../cli/table.ts';

/** The VOC report for a terminal: mask AP in percent, a line a class, their mean last. */
export function vocTable({ meanAp, byCategory }: VocReport): string {
  const percent = (values: readonly number[]): string[] => values.map((value) => formatFixed(100 * value, 1));
  const rows = byCategory.map(({ name, ap }) => [name, ...percent(ap)]);
  return textTable(
    ['mask AP, %', ...vocThresholds.map((threshold) => `IoU ${formatFixed(threshold, 2)}`)],
    [...rows, ['mean', ...percent(meanAp)]],
  );
}
