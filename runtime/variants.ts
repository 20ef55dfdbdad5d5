import { type Candidate, type Operation, VARIANTS } from '@cim/kernels';
import type { Target } from '@cim/kernels/target';
import { UnknownVariantError } from './errors.ts';
import type { Winners } from './tune/winners.ts';

/** Names of candidates by class of shapes; `heuristic`: the candidate of least estimated work. */
export type Choices = Readonly<Record<string, string>>;
/** Stands for the candidate of least estimated work in {@link Choices}. */
export const HEURISTIC = 'heuristic';

/** A choice as an observer sees it. */
export interface Choice {
  /** What was chosen for. */
  readonly operation: Operation;
  /** Name of the candidate. */
  readonly chosen: string;
  /** All that fit, the heuristic's first. */
  readonly names: readonly string[];
}

/** How often an operation without a winner was chosen for. */
export interface Untuned {
  /** The first of its class. */
  readonly operation: Operation;
  /** Times it was chosen for. */
  calls: number;
}

/**
 * Which of several kernels runs an operation. In this order: the variant that is pinned, the choice that is set for the
 * operation's class, the class's winner, the first candidate, of least estimated work.
 */
export class Variants {
  readonly #target: Target;
  readonly #set: Choices;
  #kept: Choices = {};
  #pinned: string | undefined;
  /** By class. */
  readonly #used = new Map<string, string>();
  /** By shape: choosing costs a look-up after the first time. */
  readonly #chosen = new Map<string, { readonly candidate: Candidate<never>; readonly untuned?: Untuned }>();
  /** By class. */
  readonly #untuned = new Map<string, Untuned>();
  /** Told of every choice. */
  observer: ((choice: Choice) => void) | undefined;
  /** Where winners are known; without, all is as estimated. */
  winners: Winners | undefined;

  /** `choices` hold before all others but a pinned variant. */
  constructor(target: Target, choices: Choices = {}) {
    this.#target = target;
    this.#set = choices;
  }

  /**
   * Has this variant run every operation whose shapes it fits; undefined: none.
   * @throws UnknownVariantError when no operation has such a variant on any device.
   */
  pin(name: string | undefined): void {
    if (name !== undefined) checkVariant(name);
    this.#pinned = name;
    this.#chosen.clear();
  }

  /** Keeps to the choices of an earlier run, where none are set by the device's options. */
  keep(choices: Choices): void {
    this.#kept = choices;
    this.#chosen.clear();
    this.#used.clear();
    this.#untuned.clear();
  }

  /** What was used so far, and what is kept, by class: for a later run to keep. */
  get used(): Choices {
    const all = { ...this.#kept, ...Object.fromEntries(this.#used) };
    return Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** Operations that run as estimated, since nothing is known of their class: what could be tuned. */
  get untuned(): readonly Untuned[] {
    return [...this.#untuned.values()];
  }

  /** Has what was tuned run from now on. */
  adopt({ key }: Operation, winner: string | null): void {
    this.#used.set(key, winner ?? HEURISTIC);
    this.#untuned.delete(key);
    this.#chosen.clear();
  }

  /** The candidate that is to run an operation. */
  choose<Options>(operation: Operation<Options>): Candidate<Options> {
    if (this.observer) return this.#observed(operation, this.observer);
    const { id } = operation;
    let choice = this.#chosen.get(id);
    if (!choice) this.#chosen.set(id, (choice = this.#resolve(operation)));
    if (choice.untuned) choice.untuned.calls++;
    return choice.candidate as Candidate<unknown> as Candidate<Options>;
  }

  #resolve(operation: Operation): { candidate: Candidate<unknown>; untuned?: Untuned } {
    const pinned = this.#named(operation, this.#pinned);
    if (pinned) return { candidate: pinned };
    const { key } = operation;
    const settled = this.#set[key] ?? this.#kept[key] ?? this.#used.get(key);
    const wanted = settled ?? this.winners?.find(operation);
    this.#used.set(key, wanted ?? HEURISTIC);
    const candidate = this.#named(operation, wanted) ?? first(operation.candidates(this.#target));
    if (wanted !== undefined && !this.#untuned.has(key)) return { candidate };
    let untuned = this.#untuned.get(key);
    if (!untuned) this.#untuned.set(key, (untuned = { operation, calls: 0 }));
    return { candidate, untuned };
  }

  /** Those after the wanted one are not even estimated. */
  #named(operation: Operation, name: string | undefined): Candidate<unknown> | undefined {
    if (name === undefined || name === HEURISTIC) return undefined;
    for (const candidate of operation.candidates(this.#target)) if (candidate.name === name) return candidate;
    return undefined;
  }

  #observed<Options>(operation: Operation<Options>, observer: (choice: Choice) => void): Candidate<Options> {
    const { candidate } = this.#resolve(operation);
    const names = [...operation.candidates(this.#target)].map(({ name }) => name);
    observer({ operation, chosen: candidate.name, names });
    return candidate as Candidate<Options>;
  }
}

function first<T>(items: Iterable<T>): T {
  const [item] = items;
  return item;
}

/**
 * Makes sure that some operation, on some device, has a variant of this name.
 * @throws UnknownVariantError when none has.
 */
export function checkVariant(name: string): void {
  if (!VARIANTS.includes(name)) {
    throw new UnknownVariantError(`No kernel variant is called "${name}".`, `Use one of ${VARIANTS.join(', ')}.`);
  }
}
