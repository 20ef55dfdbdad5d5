import type { Device } from '../device.ts';
import { ReportedError } from '../errors.ts';
import { openTuner, type Tuner } from './tuner.ts';

/** Tunes, between the steps of a training, what it runs: the operation with the most work first, one at a time. */
export class BackgroundTuning {
  readonly #device: Device;
  readonly #failed = new Set<string>();
  #tuner: Tuner | undefined;

  /** Tunes what runs on this device; see the mode `background` in docs/tuning.md. */
  constructor(device: Device) {
    this.#device = device;
  }

  /**
   * Waits for the GPU, tunes one operation that runs as estimated, and has its winner run from now on; does nothing
   * once all are tuned. Returns what could not be tuned.
   */
  async next(): Promise<ReportedError | undefined> {
    const { variants } = this.#device;
    const { winners } = variants;
    const left = variants.untuned.filter(({ operation: { key } }) => !this.#failed.has(key));
    if (!winners || left.length === 0) {
      await this.close();
      return undefined;
    }
    const work = ({ operation, calls }: (typeof left)[number]): number => operation.flops * calls;
    const { operation } = left.reduce((most, one) => (work(one) > work(most) ? one : most));
    try {
      await this.#device.finish();
      this.#tuner ??= await openTuner(this.#device);
      const entry = await this.#tuner.tune(operation, winners.entry(operation)?.candidates);
      winners.keep(operation, entry);
      variants.adopt(operation, entry.winner);
      return undefined;
    } catch (error) {
      if (!(error instanceof ReportedError)) throw error;
      this.#failed.add(operation.key);
      return error;
    }
  }

  /** Ends the tuning process, if one was started. */
  async close(): Promise<void> {
    await this.#tuner?.close();
    this.#tuner = undefined;
  }
}
