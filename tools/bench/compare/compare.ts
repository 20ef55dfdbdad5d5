/** Ours against the peers, item by item. */
import type { Prepared } from '../peers/contestant.ts';
import { type OwnProblem, type Problem, referenceAt, resultShape } from '../problem.ts';
import { Contender, type Entrant, type Surroundings } from './contender.ts';
import { type ComparableItem, isShared } from './items.ts';
import { OURS, PEAK } from './lineup.ts';
import { type Competitor, compare, medianOf, type Outcome, type RoundOptions } from './rounds.ts';

export interface CompareOptions extends RoundOptions {
  /** Seconds in which a library must have prepared an item and run it once. */
  readonly prepareLimit: number;
  /** Seconds for one sample. */
  readonly sampleLimit: number;
}

export interface ComparedItem extends Omit<ComparableItem, 'problem'> {
  /** By contestant. */
  readonly outcomes: Readonly<Record<string, Outcome>>;
  /** Operations a second in multiply-adds, measured in the same rounds. */
  readonly peak?: number;
}

export const FULL: CompareOptions = {
  ...{ sampleSeconds: 0.02, samples: 9, budget: 15 },
  ...{ prepareLimit: 300, sampleLimit: 300 },
};
export const QUICK: CompareOptions = {
  ...{ sampleSeconds: 0.01, samples: 5, budget: 3 },
  ...{ prepareLimit: 120, sampleLimit: 60 },
};

/** Seconds to give operands and results back. */
const RELEASE_LIMIT = 30;
/** Elements of a result that are compared. */
const PLACES = 32;

/** Elements of a result that stand for all: the first, the last, and as even a spread as hits no pattern. */
export function placesOf(problem: Problem | OwnProblem): number[] {
  if (!isShared(problem)) return [];
  const size = resultShape(problem).reduce((a, b) => a * b, 1);
  const golden = (Math.sqrt(5) - 1) / 2;
  const inner = Array.from({ length: PLACES - 2 }, (_, i) => Math.floor(((i * golden) % 1) * size));
  return [...new Set([0, ...inner, size - 1])];
}

/** What must stand there. Of a network nothing but another network can tell. */
export const expectedOf = (problem: Problem | OwnProblem): number[] | undefined =>
  isShared(problem) && problem.family !== 'hrnet' ? referenceAt(problem, placesOf(problem)) : undefined;

/** Has a contestant prepare the problem and run it once. @throws ContenderError. */
export async function prepare(
  contender: Contender,
  problem: Problem | OwnProblem,
  limit: number,
): Promise<Prepared | null> {
  await contender.open();
  return contender.ask({ type: 'prepare', problem, places: placesOf(problem) }, limit);
}

const competitor = (
  contender: Contender,
  problem: Problem | OwnProblem,
  { prepareLimit, sampleLimit }: CompareOptions,
): Competitor => ({
  id: contender.entrant.id,
  prepare: () => prepare(contender, problem, prepareLimit),
  sample: (runs) => contender.ask({ type: 'sample', runs }, sampleLimit),
  release: () => contender.ask({ type: 'release' }, RELEASE_LIMIT),
});

/** Compares ours with the rivals on one item after the other. */
export async function* compareAll(
  rivals: readonly Entrant[],
  items: readonly ComparableItem[],
  surroundings: Surroundings,
  options: CompareOptions,
): AsyncGenerator<ComparedItem> {
  const ours = new Contender(OURS, surroundings);
  const others = rivals.map((entrant) => new Contender(entrant, surroundings));
  const peak = new Contender(PEAK, surroundings);
  try {
    for (const { id, title, flops, problem } of items) {
      const competitors = [ours, ...(isShared(problem) ? others : [])].map((each) =>
        competitor(each, problem, options),
      );
      let peakFlops = 0;
      const limit = competitor(peak, { family: 'multiplyAdd', shape: {} }, options);
      if (flops > 0) {
        competitors.push({
          ...limit,
          async prepare() {
            const prepared = await limit.prepare();
            peakFlops = prepared?.flops ?? 0;
            return prepared;
          },
        });
      }
      const { [PEAK.id]: atPeak, ...outcomes } = await compare(competitors, options, expectedOf(problem));
      const seconds = medianOf(atPeak);
      yield { id, title, flops, outcomes, ...(seconds !== undefined ? { peak: peakFlops / seconds } : {}) };
    }
  } finally {
    for (const contender of [ours, ...others, peak]) contender.end();
  }
}
