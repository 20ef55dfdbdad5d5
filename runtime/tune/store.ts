import type { Environment, TunedEntry } from './entry.ts';

/** Keeps the tuning results of one environment. */
export interface TuningStore {
  readonly environment: Environment;
  /** Undefined where there is none, or only a damaged one. */
  read(key: string): TunedEntry | undefined;
  write(key: string, entry: TunedEntry): void;
  /** The classes there are results of. */
  keys(): Iterable<string>;
}

/** Forgets everything at the end: for browsers and tests. */
export class MemoryStore implements TuningStore {
  readonly environment: Environment;
  readonly #entries = new Map<string, TunedEntry>();

  constructor(environment: Environment) {
    this.environment = environment;
  }

  read(key: string): TunedEntry | undefined {
    return this.#entries.get(key);
  }
  write(key: string, entry: TunedEntry): void {
    this.#entries.set(key, entry);
  }
  keys(): Iterable<string> {
    return this.#entries.keys();
  }
}
