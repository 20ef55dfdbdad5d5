import * as kernels from '@cim/kernels';
import type { Device, Tensor } from '@cim/runtime';
import type { Arena, ParameterStore } from '../nn/parameters.ts';
import { learningRates, type ScheduleConfig } from './schedule.ts';

interface CommonConfig {
  /** Decay of weights; of biases only with `biasDecay`. Adam's is decoupled from the gradient. */
  readonly weightDecay: number;
  readonly biasDecay: boolean;
  /** Biases learn this many times faster (BIAS_DOUBLE_LR: 2). */
  readonly biasLrFactor: number;
  /** Largest norm of all gradients together; null leaves them as they are. */
  readonly clipNorm: number | null;
  readonly schedule: ScheduleConfig;
}
export interface SgdConfig extends CommonConfig {
  readonly type: 'sgd';
  readonly momentum: number;
  /** Rescale momentum by new/old when the learning rate changes by more than ×1.1 (SCALE_MOMENTUM). */
  readonly scaleMomentum: boolean;
}
export interface AdamWConfig extends CommonConfig {
  readonly type: 'adamw';
  readonly betas: readonly [number, number];
}
export type SolverConfig = SgdConfig | AdamWConfig;

const ADAM_EPSILON = 1e-8;
/** SCALE_MOMENTUM_THRESHOLD, and the rate below which the original takes the old one for unset (lib/utils/net.py). */
const MOMENTUM_CORRECTION_RATIO = 1.1;
const UNSET_LR = 1e-7;

/** A stretch of an arena, in bytes, whose parameters all received a gradient. */
interface Run {
  readonly offset: number;
  readonly bytes: number;
}

/**
 * Updates parameters from their gradients, a dispatch per arena. Parameters that received no gradient are left alone,
 * weight decay included, as PyTorch does with `grad = None`.
 */
export class Solver {
  readonly config: SolverConfig;
  readonly #device: Device;
  readonly #store: ParameterStore;
  /** Moments in the layout of each arena: momentum for SGD; m and v for Adam. */
  readonly #moments: Map<Arena, Record<string, Tensor>>;
  readonly #state = new Map<string, Tensor>();
  #lr = 0;

  constructor(device: Device, store: ParameterStore, config: SolverConfig) {
    this.config = config;
    this.#device = device;
    this.#store = store;
    const names = config.type === 'sgd' ? ['momentum'] : ['m', 'v'];
    this.#moments = new Map(
      store.arenas.map((arena) => {
        const moments = names.map((name) => [name, device.zeros(arena.values.shape)] as const);
        for (const [name, tensor] of moments) this.#state.set(`${arena.name}.${name}`, tensor);
        return [arena, Object.fromEntries(moments)];
      }),
    );
  }

  /** The learning rate of the last step. */
  get lr(): number {
    return this.#lr;
  }

  /** Moments by arena, to be saved with the model; {@link restore} takes them back. */
  get state(): ReadonlyMap<string, Tensor> {
    return this.#state;
  }

  restore(state: ReadonlyMap<string, { data: ArrayLike<number> }>, lr: number): void {
    for (const [name, tensor] of this.#state) {
      const saved = state.get(name);
      if (saved) tensor.write(saved.data);
    }
    this.#lr = lr;
  }

  /** Updates all touched parameters with the learning rate of step `step` (from 0). */
  step(step: number): void {
    const device = this.#device;
    for (const lr of learningRates(this.config.schedule, step)) {
      this.#correctMomentum(this.#lr, lr);
      this.#lr = lr;
    }
    device.scope(() => {
      const runs = this.#store.arenas.map((arena) => ({ arena, runs: touchedRuns(arena) }));
      const scale = this.#gradientScale(runs.flatMap(({ arena, runs: own }) => own.map((run) => view(arena.gradients, run))));
      for (const { arena, runs: own } of runs) for (const run of own) this.#update(step, arena, run, scale);
    });
  }

  #update(step: number, arena: Arena, run: Run, scale: Tensor): void {
    const { config } = this;
    const bias = arena.group === 'bias';
    const moments = this.#moments.get(arena)!;
    const options = {
      n: run.bytes / 4,
      lr: this.#lr * (bias ? config.biasLrFactor : 1),
      weightDecay: bias && !config.biasDecay ? 0 : config.weightDecay,
    };
    const p = view(arena.values, run);
    const grad = view(arena.gradients, run);
    if (config.type === 'sgd') {
      const kernel = kernels.sgd({ ...options, momentum: config.momentum });
      this.#device.run(kernel, { p, grad, momentum: view(moments.momentum, run), scale });
    } else {
      const kernel = kernels.adamW({ ...options, betas: config.betas, epsilon: ADAM_EPSILON, step: step + 1 });
      this.#device.run(kernel, { p, grad, m: view(moments.m, run), v: view(moments.v, run), scale });
    }
  }
}
