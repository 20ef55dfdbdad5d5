import { type Candidate, VARIANTS } from '@cim/kernels';
import { UnknownVariantError } from './errors.ts';

/** Which of several kernels runs an operation: the first candidate, of least estimated work, unless another is pinned. */
export class Variants {
  #pinned: string | undefined;
  /** Told of every choice: the chosen candidate's name, and the names of all, the estimated best first. */
  observer: ((chosen: string, names: readonly string[]) => void) | undefined;

  /**
   * Has this variant run every operation whose shapes it fits; undefined: none.
   * @throws UnknownVariantError when no operation has such a variant on any device.
   */
  pin(name: string | undefined): void {
    if (name !== undefined && !VARIANTS.includes(name)) {
      throw new UnknownVariantError(`No kernel variant is called "${name}".`, `Use one of ${VARIANTS.join(', ')}.`);
    }
    this.#pinned = name;
  }

  choose<Options>(candidates: Iterable<Candidate<Options>>): Candidate<Options> {
    if (this.#pinned === undefined && !this.observer) {
      // Those after the first are not even estimated.
      const [first] = candidates;
      return first;
    }
    const all = [...candidates];
    const chosen = all.find(({ name }) => name === this.#pinned) ?? all[0];
    this.observer?.(
      chosen.name,
      all.map(({ name }) => name),
    );
    return chosen;
  }
}
