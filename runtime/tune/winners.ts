import type { Candidate } from '@cim/kernels/candidate';
import type { Operation } from '@cim/kernels/operation';
import { operationOf } from '@cim/kernels/operations';
import type { Target } from '@cim/kernels/target';
import { type Environment, planHash, type TunedEntry, type TuningTable } from './entry.ts';
import type { TuningStore } from './store.ts';

/** What is known of classes of shapes in an environment: own results, and where there are none those that are shipped. */
export class Winners {
  readonly #store: TuningStore;
  readonly #shipped: TuningTable['entries'];
  readonly #target: Target;

  /** Own results come before shipped ones; the target decides which candidates there are. */
  constructor(store: TuningStore, shipped: TuningTable['entries'], target: Target) {
    this.#store = store;
    this.#shipped = shipped;
    this.#target = target;
  }

  /** What the results hold for. */
  get environment(): Environment {
    return this.#store.environment;
  }

  /** The name of the candidate that won in the operation's class; undefined when its source has changed since. */
  find({ key }: Operation): string | undefined {
    const own = this.#store.read(this.#place(key));
    return this.#valid(own) ?? this.#valid(this.#shipped[this.#place(key)]);
  }

  /** The result of an earlier tuning on this machine, whatever became of the sources. */
  entry({ key }: Operation): TunedEntry | undefined {
    return this.#store.read(this.#place(key));
  }

  /** Whether there is a verdict on every candidate as it is now. */
  isComplete(entry: TunedEntry): boolean {
    const operation = operationOf(entry);
    if (!operation) return false;
    return [...operation.candidates(this.#target)].every(
      (candidate) => entry.candidates[candidate.name]?.hash === hashOf(operation, candidate),
    );
  }

  /** Stores the result of a tuning, in place of an earlier one. */
  keep({ key }: Operation, entry: TunedEntry): void {
    this.#store.write(this.#place(key), entry);
  }

  /** All own results, by class. */
  *all(): Generator<[key: string, entry: TunedEntry]> {
    for (const key of this.#store.keys()) {
      const entry = this.#store.read(key);
      if (entry) yield [key, entry];
    }
  }

  #valid(entry: TunedEntry | undefined): string | undefined {
    const operation = entry && operationOf(entry);
    if (!operation || entry.winner === null) return undefined;
    for (const candidate of operation.candidates(this.#target)) {
      if (candidate.name !== entry.winner) continue;
      const { hash } = entry.candidates[entry.winner];
      return hash === hashOf(operation, candidate) ? entry.winner : undefined;
    }
    return undefined;
  }

  /** Where products may be rounded there are more candidates, and other winners. */
  #place(key: string): string {
    return this.#target.f16 ? `${key}-f16` : key;
  }
}

const hashOf = ({ plain }: Operation, candidate: Candidate<unknown>): string => planHash(candidate.plan(plain));
