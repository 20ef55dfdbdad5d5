/** Where the time of a step goes. */
import { el } from '../dom.ts';
import type { TrainingState } from './state.ts';

/** Rows of the table; the rest is one row. */
const ROWS = 12;

/** The kernels of a step that was timed, the longest first. */
export function kernelTable({ kernels }: TrainingState['profiles'][number]): HTMLTableElement {
  const rest = kernels.slice(ROWS);
  const rows = [
    ...kernels.slice(0, ROWS),
    ...(rest.length > 0 ? [{ name: `${rest.length} more`, count: sum(rest, 'count'), ms: sum(rest, 'ms') }] : []),
  ];
  const total = Math.max(sum(kernels, 'ms'), Number.MIN_VALUE);
  const longest = Math.max(...rows.map(({ ms }) => ms), Number.MIN_VALUE);
  const head = ['Dispatches', 'Time', 'Share'].map((name) => el('th', { scope: 'col' }, name));
  return el(
    'table',
    { class: 'kernels' },
    el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'Kernel'), el('td'), head)),
    el(
      'tbody',
      {},
      rows.map(({ name, count, ms }) => {
        const meter = el('span', { class: 'kernel-bar', 'aria-hidden': 'true' });
        meter.style.width = `${(100 * ms) / longest}%`;
        const cells = [String(count), `${ms.toFixed(1)} ms`, `${((100 * ms) / total).toFixed(1)} %`];
        return el(
          'tr',
          {},
          el('th', { scope: 'row' }, name),
          el('td', { class: 'bar-cell' }, meter),
          cells.map((text) => el('td', {}, text)),
        );
      }),
    ),
  );
}

const sum = (kernels: TrainingState['profiles'][number]['kernels'], key: 'count' | 'ms'): number =>
  kernels.reduce((all, one) => all + one[key], 0);
