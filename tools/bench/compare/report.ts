/** The comparison for a terminal. */
import { textTable } from '../../cli/table.ts';
import type { ColdItem, ColdOutcome, Start } from './cold.ts';
import type { ComparedItem } from './compare.ts';
import type { Entrant } from './contender.ts';
import { medianOf, type Outcome, ratioOf } from './rounds.ts';

type Name = Pick<Entrant, 'id' | 'title' | 'version'>;

/** What `--json` writes. Times in seconds, rates a second. */
export interface Comparison {
  readonly adapter: string;
  /** On a software driver CPU time tells more than wall time does on a busy machine. */
  readonly software: boolean;
  readonly ours: Name;
  readonly peers: readonly Name[];
  readonly natives: readonly Name[];
  readonly items: readonly ComparedItem[];
  readonly cold: readonly ColdItem[];
}

const NONE = '-';

export const milliseconds = (seconds: number): string =>
  (1000 * seconds).toFixed(seconds < 0.0995 ? 2 : seconds < 0.995 ? 1 : 0);

const ids = (entrants: readonly Name[]): string[] => entrants.map(({ id }) => id);

/** A median; marked where the result is wrong. */
export function cell(outcome: Outcome | undefined): string {
  const median = medianOf(outcome);
  if (median !== undefined) return `${milliseconds(median)}${outcome?.status === 'wrong' ? ' wrong' : ''}`;
  return outcome?.status === 'failed' ? 'failed' : NONE;
}

const times = (ratio: number | undefined): string => (ratio === undefined ? NONE : ratio.toFixed(2));

/** Operations a second and their share of the peak; undefined where either is not known. */
export function rateOf({ flops, outcomes, peak }: ComparedItem, { id }: Name): { rate?: number; share?: number } {
  const seconds = medianOf(outcomes[id]);
  if (seconds === undefined || flops === 0) return {};
  return { rate: flops / seconds, ...(peak === undefined ? {} : { share: flops / seconds / peak }) };
}

/** Heads and rows of the main table, the same in the terminal and in the page. */
export function comparisonRows({ software, ours, peers, natives, items }: Comparison): {
  head: string[];
  rows: string[][];
} {
  const all = [ours, ...peers, ...natives];
  const head = ['item', ...all.map(({ title }) => `${title} ms`), '× best peer'];
  if (software) head.push('× in CPU time');
  head.push('GFLOP/s', '% of peak');
  const rows = items.map((item) => {
    const { id, outcomes } = item;
    const { rate, share } = rateOf(item, ours);
    const row = [id, ...all.map(({ id }) => cell(outcomes[id])), times(ratioOf(outcomes, ours.id, ids(peers)))];
    if (software) row.push(times(ratioOf(outcomes, ours.id, ids(peers), 'cpu')));
    row.push(rate === undefined ? NONE : (rate / 1e9).toFixed(1));
    row.push(share === undefined ? NONE : (100 * share).toFixed(0));
    return row;
  });
  return { head, rows };
}

/** Cold and warm seconds of a start, marked where the result is wrong. */
const startCell = (outcome: ColdOutcome | undefined, part: keyof Start): string => {
  if (!outcome || outcome.status === 'unsupported') return NONE;
  if (outcome.status === 'failed') return 'failed';
  const wrong = outcome.status === 'wrong' ? ' wrong' : '';
  return `${outcome.cold[part].toFixed(2)} / ${outcome.warm[part].toFixed(2)}${wrong}`;
};

/** How many times as long as we the fastest peer takes to its first result, with nothing compiled before. */
function coldRatio({ outcomes }: ColdItem, ours: Name, peers: readonly Name[]): number | undefined {
  const seconds = (id: string): number | undefined => {
    const outcome = outcomes[id];
    return outcome?.status === 'measured' ? outcome.cold.first : undefined;
  };
  const own = seconds(ours.id);
  const others = ids(peers).flatMap((id) => seconds(id) ?? []);
  return own === undefined || others.length === 0 ? undefined : Math.min(...others) / own;
}

export function coldRows({ ours, peers, cold }: Comparison): { head: string[]; rows: string[][] } {
  const all = [ours, ...peers];
  return {
    head: ['first result', ...all.map(({ title }) => `${title} s`), '× best peer'],
    rows: cold.map((item) => [
      item.id,
      ...all.map(({ id }) => startCell(item.outcomes[id], 'first')),
      times(coldRatio(item, ours, peers)),
    ]),
  };
}

/** Whatever a contestant could not do, a line each. */
export function remarks({ items, cold, ours, peers, natives }: Comparison): string[] {
  const of = (what: string, outcomes: Readonly<Record<string, Outcome | ColdOutcome>>): string[] =>
    [ours, ...peers, ...natives].flatMap(({ id, title }) => {
      const outcome = outcomes[id];
      return outcome && 'reason' in outcome ? [`${what}, ${title}: ${outcome.reason}`] : [];
    });
  return [
    ...items.flatMap(({ id, outcomes }) => of(id, outcomes)),
    ...cold.flatMap(({ id, outcomes }) => of(`first result of ${id}`, outcomes)),
  ];
}

export function comparisonText(comparison: Comparison): string {
  const main = comparisonRows(comparison);
  const first = coldRows(comparison);
  return [
    textTable(main.head, main.rows),
    ...(first.rows.length > 0
      ? ['', textTable(first.head, first.rows), 'Seconds cold / with the driver’s cache.']
      : []),
    ...remarks(comparison),
  ].join('\n');
}
