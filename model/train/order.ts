import { Generator, philox, ReportedError } from '@cim/runtime';

/** No sample of a data set can be used. */
export class NoSamplesError extends ReportedError {}

/** Random access to training samples. */
export interface SampleSource<T> {
  /** Samples of the data set. */
  readonly count: number;
  /** Loads sample `index`; `null` when it cannot be used, which the source has reported. */
  load(index: number): Promise<T | null>;
}

/** Keeps the stream of orders apart from every other use of the seed. */
const ORDER_STREAM = 1;

/**
 * An endless sequence of samples, every epoch in another random order. What stands at a position depends on the seed
 * alone, so a resumed run continues the sequence. Samples are loaded one ahead.
 */
export class SampleSequence<T> {
  readonly #source: SampleSource<T>;
  readonly #seed: number;
  #epoch = -1;
  #order: Uint32Array = new Uint32Array();
  #ahead: { position: number; sample: Promise<T> } | undefined;

  /**
   * Shuffles by `seed`.
   * @throws NoSamplesError when the source is empty.
   */
  constructor(source: SampleSource<T>, seed: number) {
    if (source.count === 0)
      throw new NoSamplesError('There is nothing to train on: no image has a label.', 'Check the annotations.');
    this.#source = source;
    this.#seed = seed;
  }

  /**
   * The sample at a position, from 0; one that cannot be used is replaced by the next in the data set that can.
   * @throws NoSamplesError when none can be used.
   */
  async at(position: number): Promise<T> {
    const current = this.#ahead?.position === position ? this.#ahead.sample : this.#load(position);
    const sample = await current;
    const next = this.#load(position + 1);
    // Surfaces when the sample is asked for.
    next.catch(() => {});
    this.#ahead = { position: position + 1, sample: next };
    return sample;
  }

  /** The sample at a position, or the first usable one after it in the data set. */
  async #load(position: number): Promise<T> {
    const { count } = this.#source;
    const first = this.#index(position);
    for (let i = 0; i < count; i++) {
      const sample = await this.#source.load((first + i) % count);
      if (sample !== null) return sample;
    }
    throw new NoSamplesError(
      `None of the ${count} training samples can be used.`,
      'The reasons were reported above, one per image.',
    );
  }

  #index(position: number): number {
    const { count } = this.#source;
    const epoch = Math.floor(position / count);
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#order = new Generator(philox(this.#seed, epoch, ORDER_STREAM)[0]).permutation(count);
    }
    return this.#order[position % count];
  }
}
