/** Ours against the peers, item by item. */
import { type Problem, referenceAt, resultShape } from '../problem.ts';
import { Contender, type Entrant, type Surroundings } from './contender.ts';
import { type Competitor, compare, type Outcome, type RoundOptions } from './rounds.ts';

/** An item of the bench that several libraries can compute. */
export interface ComparableItem {
  readonly id: string;
  readonly title: string;
  readonly flops: number;
  readonly problem: Problem;
}

export interface CompareOptions extends RoundOptions {
  /** Seconds in which a library must have prepared an item and run it once. */
  readonly prepareLimit: number;
  /** Seconds for one sample. */
  readonly sampleLimit: number;
}

export interface ComparedItem extends Omit<ComparableItem, 'problem'> {
  /** By contestant. */
  readonly outcomes: Readonly<Record<string, Outcome>>;
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

/** Elements of a result of `size` that stand for all: the first, the last, and as even a spread as hits no pattern. */
export function places(size: number): number[] {
  const golden = (Math.sqrt(5) - 1) / 2;
  const inner = Array.from({ length: PLACES - 2 }, (_, i) => Math.floor(((i * golden) % 1) * size));
  return [...new Set([0, ...inner, size - 1])];
}

const competitor = (
  contender: Contender,
  problem: Problem,
  { prepareLimit, sampleLimit }: CompareOptions,
): Competitor => ({
  id: contender.entrant.id,
  async prepare() {
    await contender.open();
    const size = resultShape(problem).reduce((a, b) => a * b, 1);
    return contender.ask({ type: 'prepare', problem, places: places(size) }, prepareLimit);
  },
  sample: (runs) => contender.ask({ type: 'sample', runs }, sampleLimit),
  release: () => contender.ask({ type: 'release' }, RELEASE_LIMIT),
});

/** Compares the entrants, the first of them ours, on one item after the other. */
export async function* compareAll(
  entrants: readonly Entrant[],
  items: readonly ComparableItem[],
  surroundings: Surroundings,
  options: CompareOptions,
): AsyncGenerator<ComparedItem> {
  const contenders = entrants.map((entrant) => new Contender(entrant, surroundings));
  try {
    for (const { id, title, flops, problem } of items) {
      const size = resultShape(problem).reduce((a, b) => a * b, 1);
      // Of a network nothing but another network can be the reference.
      const expected = problem.family === 'hrnet' ? undefined : referenceAt(problem, places(size));
      const competitors = contenders.map((contender) => competitor(contender, problem, options));
      yield { id, title, flops, outcomes: await compare(competitors, options, expected) };
    }
  } finally {
    for (const contender of contenders) contender.end();
  }
}
