/** How the report writes its numbers. */
import { formatFixed } from '@cim/model/evaluate/format';
import type { Scores } from '../pipeline/summary.ts';

/** Headings of the scores, in the order of the tables. */
export const scoreNames: Readonly<Record<keyof Scores, string>> = {
  mAP25: 'mAP25',
  mAP50: 'mAP50',
  mAP70: 'mAP70',
  mAP75: 'mAP75',
  AP: 'COCO AP',
};

/** A value in percent with one digit, without the sign. */
export const percent = (value: number): string => formatFixed(value, 1);

export const gibibytes = (bytes: number): string =>
  bytes < 2 ** 30 ? `${(bytes / 2 ** 20).toFixed(0)} MiB` : `${(bytes / 2 ** 30).toFixed(2)} GiB`;
