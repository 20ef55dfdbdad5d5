/** Has several contestants do the same work by turns, so that whatever slows the machine for a while slows all of them. */

import { type Quartiles, quartiles } from '@cim/runtime/tune/quartiles';
import type { Prepared, Sample } from '../peers/contestant.ts';

/** One who can be asked to do the work. Whatever it throws takes it out of this item. */
export interface Competitor {
  readonly id: string;
  /** Null: it has no such operation. */
  prepare(): Promise<Prepared | null>;
  /** The mean of so many runs. */
  sample(runs: number): Promise<Sample>;
  release(): Promise<void>;
}

export interface RoundOptions {
  /** Runs are repeated within a sample until it takes this many seconds. */
  readonly sampleSeconds: number;
  /** Samples of each, at most. */
  readonly samples: number;
  /** Seconds for the samples of each: who is slow gets fewer, but one. */
  readonly budget: number;
}

export type Outcome =
  | { readonly status: 'measured'; readonly timing: Timing }
  /** It computed something else than it should. */
  | { readonly status: 'wrong'; readonly timing: Timing; readonly reason: string }
  | { readonly status: 'failed'; readonly reason: string }
  | { readonly status: 'unsupported' };

/** Seconds. */
export interface Timing {
  /** From the operands on the device to the end of the first run, whatever had to be compiled included. */
  readonly first: number;
  /** Of one run, until it is known to be done. */
  readonly wall: Quartiles;
  /** Of one run, all threads of the process. */
  readonly cpu: Quartiles;
  readonly samples: number;
  readonly runsPerSample: number;
  /** The largest error among the elements that were checked, as a share of their largest magnitude. */
  readonly deviation: number;
}

/** Runs within a sample, at most. */
const MAX_RUNS = 256;
/** The largest deviation that rounding explains: sums of some ten thousand f32 products in any order. */
export const TOLERANCE = 1e-3;

interface Entry {
  readonly competitor: Competitor;
  readonly first: number;
  readonly values: readonly number[];
  readonly runs: number;
  /** Samples it has time for. */
  readonly quota: number;
  readonly samples: Sample[];
}

/** The largest difference to what should be there, as a share of the largest magnitude. */
export function deviation(values: readonly number[], expected: readonly number[]): number {
  const scale = Math.max(...expected.map(Math.abs), Number.MIN_VALUE);
  return values.reduce((worst, value, i) => {
    const error = Math.abs(value - expected[i]) / scale;
    return error <= worst ? worst : Number.isNaN(error) ? Infinity : error;
  }, 0);
}

/**
 * Measures the competitors on one item. Without `expected` values the first competitor's are those of the others.
 * @returns by id.
 */
export async function compare(
  competitors: readonly Competitor[],
  options: RoundOptions,
  expected?: readonly number[],
): Promise<Record<string, Outcome>> {
  const outcomes: Record<string, Outcome> = {};
  const entries: Entry[] = [];
  const attempt = async <T>({ id }: Competitor, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      outcomes[id] = { status: 'failed', reason: (error as Error).message };
      return undefined;
    }
  };
  for (const competitor of competitors) {
    await attempt(competitor, async () => {
      const prepared = await competitor.prepare();
      if (prepared) entries.push({ competitor, ...prepared, ...(await warmUp(competitor, options)), samples: [] });
      else outcomes[competitor.id] = { status: 'unsupported' };
    });
  }
  for (let round = 0; round < options.samples; round++) {
    for (const { competitor, quota, runs, samples } of entries) {
      // Spread over all rounds, those of the slow ones too.
      const due = Math.floor(((round + 1) * quota) / options.samples) > Math.floor((round * quota) / options.samples);
      if (!due || outcomes[competitor.id]) continue;
      const sample = await attempt(competitor, () => competitor.sample(runs));
      if (sample) samples.push(sample);
    }
  }
  const truth = expected ?? entries[0]?.values;
  for (const { competitor, first, values, runs, samples } of entries) {
    await attempt(competitor, () => competitor.release());
    outcomes[competitor.id] ??= judged(deviation(values, truth), {
      first,
      wall: quartiles(samples.map(({ wall }) => wall)),
      cpu: quartiles(samples.map(({ cpu }) => cpu)),
      samples: samples.length,
      runsPerSample: runs,
    });
  }
  return outcomes;
}

const judged = (deviation: number, timing: Omit<Timing, 'deviation'>): Outcome =>
  deviation <= TOLERANCE
    ? { status: 'measured', timing: { ...timing, deviation } }
    : {
        status: 'wrong',
        timing: { ...timing, deviation },
        reason: `Its result is off by ${Number((100 * deviation).toPrecision(2))} % of the largest element.`,
      };

/** How often it runs within a sample, and how many samples there is time for. */
async function warmUp(
  competitor: Competitor,
  { sampleSeconds, samples, budget }: RoundOptions,
): Promise<Pick<Entry, 'runs' | 'quota'>> {
  let runs = 1;
  let seconds = (await competitor.sample(1)).wall;
  while (runs < MAX_RUNS && runs * seconds < sampleSeconds) {
    runs *= 2;
    seconds = (await competitor.sample(runs)).wall;
  }
  return { runs, quota: Math.min(samples, Math.max(1, Math.floor(budget / (runs * seconds)))) };
}

/** The fastest who computed the right thing, among those named. */
export function best(
  outcomes: Readonly<Record<string, Outcome>>,
  ids: readonly string[],
  time: 'wall' | 'cpu' = 'wall',
): string | undefined {
  const right = ids.filter((id) => outcomes[id]?.status === 'measured');
  return right.sort((a, b) => medianOf(outcomes[a], time)! - medianOf(outcomes[b], time)!)[0];
}

/** Seconds of a run, whatever it computed. */
export const medianOf = (outcome: Outcome | undefined, time: 'wall' | 'cpu' = 'wall'): number | undefined =>
  outcome && 'timing' in outcome ? outcome.timing[time].median : undefined;

/** How many times as long the best peer takes as we do; undefined where either has no right result. */
export function ratioOf(
  outcomes: Readonly<Record<string, Outcome>>,
  ours: string,
  peers: readonly string[],
  time: 'wall' | 'cpu' = 'wall',
): number | undefined {
  const rival = best(outcomes, peers, time);
  if (rival === undefined || outcomes[ours]?.status !== 'measured') return undefined;
  return medianOf(outcomes[rival], time)! / medianOf(outcomes[ours], time)!;
}
