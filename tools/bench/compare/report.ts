import { textTable } from '../../cli/table.ts';
import type { ComparedItem } from './compare.ts';
import type { Entrant } from './contender.ts';
import { medianOf, type Outcome, ratioOf } from './rounds.ts';

const milliseconds = (seconds: number): string =>
  (1000 * seconds).toFixed(seconds < 0.0995 ? 2 : seconds < 0.995 ? 1 : 0);

/** A median in ms; marked where the result is wrong. */
export function cell(outcome: Outcome | undefined): string {
  const median = medianOf(outcome);
  if (median !== undefined) return `${milliseconds(median)}${outcome?.status === 'wrong' ? ' wrong' : ''}`;
  return outcome?.status === 'failed' ? 'failed' : '-';
}

/** CPU time of one run beside, seconds. */
const cpuOf = (outcome: Outcome | undefined): string =>
  outcome && 'timing' in outcome ? milliseconds(outcome.timing.cpu.median) : '-';

export function comparisonTable(
  items: readonly ComparedItem[],
  ours: Entrant,
  peers: readonly Entrant[],
  native: readonly Entrant[],
): string {
  const all = [ours, ...peers, ...native];
  const header = [
    'item',
    ...all.map(({ title }) => `${title} ms`),
    '× best peer',
    'GFLOP/s',
    ...all.map(({ title }) => `${title} CPU ms`),
  ];
  return textTable(
    header,
    items.map(({ id, flops, outcomes }) => {
      const ratio = ratioOf(
        outcomes,
        ours.id,
        peers.map(({ id }) => id),
      );
      const seconds = medianOf(outcomes[ours.id]);
      return [
        id,
        ...all.map(({ id }) => cell(outcomes[id])),
        ratio === undefined ? '-' : ratio.toFixed(2),
        seconds === undefined || flops === 0 ? '-' : (flops / seconds / 1e9).toFixed(1),
        ...all.map(({ id }) => cpuOf(outcomes[id])),
      ];
    }),
  );
}

/** Whatever a contestant could not do, a line each. */
export const remarks = (items: readonly ComparedItem[], entrants: readonly Entrant[]): string[] =>
  items.flatMap(({ id, outcomes }) =>
    entrants.flatMap((entrant) => {
      const outcome = outcomes[entrant.id];
      return outcome && 'reason' in outcome ? [`${id}, ${entrant.title}: ${outcome.reason}`] : [];
    }),
  );
