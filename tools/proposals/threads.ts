import { Worker } from 'node:worker_threads';
import type { ProposalOptions, Proposals } from '@cim/model/proposals/proposals';
import type { PixelMaps } from '@cim/model/proposals/superpixels';
import type { ProposalAnswer, ProposalJob } from './thread.ts';

interface Pending extends ProposalJob {
  readonly resolve: (proposals: Proposals) => void;
  readonly reject: (error: unknown) => void;
}

/** Finds the regions of images in threads of their own, so that the main one can go on feeding the GPU. */
export class ProposalThreads {
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Pending>();
  readonly #waiting: Pending[] = [];
  #seconds = 0;
  #failure: unknown;

  constructor(count: number) {
    for (let i = 0; i < count; i++) {
      const worker = new Worker(new URL('./thread.mjs', import.meta.url), { execArgv: [] });
      worker.on('message', (answer: ProposalAnswer) => this.#settle(worker, answer));
      worker.on('error', (error) => this.#fail(error));
      this.#idle.push(worker);
    }
  }

  /** Seconds that the threads have worked, together. */
  get seconds(): number {
    return this.#seconds;
  }

  /** `proposeRegions` in the next free thread. */
  readonly regions = (maps: PixelMaps, options: ProposalOptions): Promise<Proposals> =>
    new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure);
      this.#waiting.push({ maps, options, resolve, reject });
      this.#next();
    });

  /** Ends the threads; what they work on is lost. */
  async close(): Promise<void> {
    await Promise.all([...this.#idle, ...this.#busy.keys()].map((worker) => worker.terminate()));
  }

  #next(): void {
    if (this.#waiting.length === 0) return;
    const worker = this.#idle.pop();
    if (!worker) return;
    const job = this.#waiting.shift()!;
    this.#busy.set(worker, job);
    const { maps, options } = job;
    worker.postMessage({ maps, options } satisfies ProposalJob);
  }

  /** A thread is gone: nothing that is asked for will come. */
  #fail(error: unknown): void {
    this.#failure ??= error;
    for (const { reject } of [...this.#busy.values(), ...this.#waiting.splice(0)]) reject(error);
  }

  #settle(worker: Worker, answer: ProposalAnswer): void {
    const job = this.#busy.get(worker);
    this.#busy.delete(worker);
    this.#idle.push(worker);
    if ('error' in answer) job?.reject(answer.error);
    else {
      this.#seconds += answer.seconds;
      job?.resolve(answer.proposals);
    }
    this.#next();
  }
}
