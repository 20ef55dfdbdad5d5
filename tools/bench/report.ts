import { spread } from '@cim/runtime/tune/quartiles';
import { textTable } from '../cli/table.ts';
import type { Measurement } from './measure.ts';
import type { Roofline } from './roofline.ts';

/** Billions a second; below one with two significant digits. */
const giga = (perSecond: number): string =>
  perSecond < 1e9 ? (perSecond / 1e9).toPrecision(2) : (perSecond / 1e9).toFixed(1);
const micro = (seconds: number): string => (seconds * 1e6).toFixed(1);
const percent = (share: number): string => (100 * share).toFixed(0);

/** How far each quantity goes on this adapter, one line. */
export const rooflineLine = ({ multiplyAdd, load, store, dispatch, submit }: Roofline): string =>
  [
    `Peak: ${giga(multiplyAdd)} GFLOP/s in multiply-adds`,
    `${giga(load)} GB/s loaded`,
    `${giga(store)} GB/s stored`,
    `a dispatch ${micro(dispatch)} µs`,
    `submit and wait ${micro(submit)} µs`,
  ].join(', ');

/** A row each. ±%: interquartile range to median; peak: share of the multiply-add peak; integers have none. */
export const measurementTable = (measurements: readonly Measurement[], { multiplyAdd }: Roofline): string =>
  textTable(
    ['item', 'kernels', 'ms', '±%', 'GFLOP/s', 'GB/s', '% of peak', 'cold s'],
    measurements.map(({ id, kernels, flops, bytes, cold, seconds }) => [
      id,
      kernels.join(' + '),
      (1000 * seconds.median).toFixed(2),
      percent(spread(seconds)),
      flops > 0 ? giga(flops / seconds.median) : '-',
      giga(bytes / seconds.median),
      flops > 0 ? percent(flops / seconds.median / multiplyAdd) : '-',
      cold.toFixed(2),
    ]),
  );
