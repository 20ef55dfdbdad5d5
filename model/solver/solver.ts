import * as kernels from '@cim/kernels';
import { type Device, isParameter, mapShards, type Tensor, type Weight } from '@cim/runtime';
import type { Arena, ParameterStore } from '../nn/parameters.ts';
import { type LazyTensor, loadState, type StateDict, StateDictError, stateOf } from '../nn/state-dict.ts';
import { learningRates, type ScheduleConfig } from './schedule.ts';

/** Parameters whose name begins with `prefix` learn `factor` times as fast. */
export interface LrFactor {
  /** Of the parameters' names. */
  readonly prefix: string;
  /** 0 leaves them as they are. */
  readonly factor: number;
}

interface CommonConfig {
  /** Decay of weights; of biases only with `biasDecay`. Adam's is decoupled from the gradient. */
  readonly weightDecay: number;
  readonly biasDecay: boolean;
  /** Biases learn this many times faster (BIAS_DOUBLE_LR: 2). */
  readonly biasLrFactor: number;
  /** Parts that learn at another rate; of several that hold a parameter the first counts. */
  readonly lrFactors: readonly LrFactor[];
  /** Largest norm of all gradients together; null leaves them as they are. */
  readonly clipNorm: number | null;
  readonly schedule: ScheduleConfig;
}
/** PyTorch's SGD with the original's corrections (lib/utils/net.py). */
export interface SgdConfig extends CommonConfig {
  /** Tells the solvers of a recipe apart. */
  readonly type: 'sgd';
  /** μ, 0.9 in the original. */
  readonly momentum: number;
  /** Rescale momentum by new/old when the learning rate changes by more than ×1.1 (SCALE_MOMENTUM). */
  readonly scaleMomentum: boolean;
  /** Nesterov's momentum. */
  readonly nesterov?: boolean;
}
/** Adam with decoupled weight decay (Loshchilov & Hutter, ICLR 2019); ε is 1e-8. */
export interface AdamWConfig extends CommonConfig {
  /** Tells the solvers of a recipe apart. */
  readonly type: 'adamw';
  /** Shares of the old first and second moments. */
  readonly betas: readonly [number, number];
}
/** What a recipe says of its solver; `type` tells which it is. */
export type SolverConfig = SgdConfig | AdamWConfig;

const ADAM_EPSILON = 1e-8;
/** SCALE_MOMENTUM_THRESHOLD, and the rate below which the original takes the old one for unset (lib/utils/net.py). */
const MOMENTUM_CORRECTION_RATIO = 1.1;
const UNSET_LR = 1e-7;

/** A stretch of an arena, in bytes, whose parameters all received a gradient and learn at the same rate. */
interface Run {
  readonly offset: number;
  readonly bytes: number;
  readonly lrFactor: number;
}

/**
 * Updates parameters from their gradients, a dispatch per arena. Parameters that received no gradient are left alone,
 * weight decay included, as PyTorch does with `grad = None`.
 */
export class Solver {
  /** As given. */
  readonly config: SolverConfig;
  readonly #device: Device;
  readonly #store: ParameterStore;
  /** Moments in the layout of each arena: momentum for SGD; m and v for Adam. */
  readonly #moments: Map<Arena, Record<string, Tensor>>;
  /** Moments of every parameter, `momentum.<parameter>`: views of the above. */
  readonly #state = new Map<string, Weight>();
  /** The gradient scale where nothing is clipped. */
  readonly #one: Tensor;
  #lr = 0;

  /** Keeps moments for every parameter that trains, zero to begin with. */
  constructor(device: Device, store: ParameterStore, config: SolverConfig) {
    this.config = config;
    this.#device = device;
    this.#store = store;
    this.#one = device.tensor([1]);
    const names = config.type === 'sgd' ? ['momentum'] : ['m', 'v'];
    this.#moments = new Map(
      store.arenas.map((arena) => {
        const moments = names.map((name) => [name, device.zeros(arena.values.shape)] as const);
        return [arena, Object.fromEntries(moments)];
      }),
    );
    for (const moment of names) {
      for (const [name, weight] of store.tensors) {
        if (isParameter(weight)) this.#state.set(`${moment}.${name}`, this.momentOf(weight, moment));
      }
    }
  }

  /** The learning rate of the last step. */
  get lr(): number {
    return this.#lr;
  }

  /** Moments by the names of their parameters, to be saved with the model; {@link restore} takes them back. */
  stateDict(): Map<string, LazyTensor> {
    return stateOf(this.#state);
  }

  /**
   * Takes the moments that {@link stateDict} gave, and the learning rate of the last step.
   * @throws StateDictError when the moments are those of another model or kind of solver.
   */
  async restore(state: StateDict, lr: number): Promise<void> {
    await loadState(this.#state, state);
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
      const runs = this.#store.arenas.map((arena) => ({ arena, runs: touchedRuns(arena, this.config.lrFactors) }));
      const scale = this.#gradientScale(
        runs.flatMap(({ arena, runs: own }) => own.map((run) => view(arena.gradients, run))),
      );
      for (const { arena, runs: own } of runs) for (const run of own) this.#update(step, arena, run, scale);
    });
  }

  #update(step: number, arena: Arena, run: Run, scale: Tensor): void {
    const { config } = this;
    const bias = arena.group === 'bias';
    const moments = this.#moments.get(arena)!;
    const options = {
      n: run.bytes / 4,
      lr: this.#lr * run.lrFactor * (bias ? config.biasLrFactor : 1),
      weightDecay: bias && !config.biasDecay ? 0 : config.weightDecay,
    };
    const p = view(arena.values, run);
    const grad = view(arena.gradients, run);
    if (config.type === 'sgd') {
      const kernel = kernels.sgd({ ...options, momentum: config.momentum, nesterov: config.nesterov });
      this.#device.run(kernel, { p, grad, momentum: view(moments.momentum, run), scale });
    } else {
      const kernel = kernels.adamW({ ...options, betas: config.betas, epsilon: ADAM_EPSILON, step: step + 1 });
      this.#device.run(kernel, { p, grad, m: view(moments.m, run), v: view(moments.v, run), scale });
    }
  }

  /** Frees the moments. */
  dispose(): void {
    this.#one.dispose();
    for (const weight of this.#state.values()) weight.dispose();
    for (const moments of this.#moments.values()) for (const tensor of Object.values(moments)) tensor.dispose();
  }

  /**
   * A moment of one parameter, a view that the caller disposes.
   *
   * @throws StateDictError when the parameter does not train.
   */
  momentOf(parameter: Weight, name: string): Weight {
    return mapShards(parameter, (shard) => {
      for (const [arena, moments] of this.#moments) {
        if (arena.values.storage === shard.storage) return moments[name].view(shard.shape, shard.offset);
      }
      throw new StateDictError(`The parameter [${parameter.shape}] is not trained.`);
    });
  }

  /** The factor, [1], that brings the norm of all gradients down to `clipNorm`. */
  #gradientScale(gradients: readonly Tensor[]): Tensor {
    const device = this.#device;
    const { clipNorm } = this.config;
    if (clipNorm === null) return this.#one;
    const counts = gradients.map(({ size }) => kernels.partialSums(size));
    const partials = counts.reduce((a, b) => a + b, 0);
    const partial = device.empty([partials]);
    let offset = 0;
    gradients.forEach((x, i) => {
      device.run(kernels.sum({ n: x.size, square: true, partials: counts[i], offset }), { x, partial });
      offset += counts[i];
    });
    const scale = device.empty([1]);
    device.run(kernels.clipFactor({ partials, maxNorm: clipNorm }), { partial, scale });
    return scale;
  }

  /** The momentum correction of Detectron: the history is rescaled to the new learning rate. */
  #correctMomentum(from: number, to: number): void {
    const { config } = this;
    if (config.type !== 'sgd' || !config.scaleMomentum || from <= UNSET_LR || to === from) return;
    if (Math.max(to / from, from / to) <= MOMENTUM_CORRECTION_RATIO) return;
    for (const { momentum } of this.#moments.values()) {
      const scaled = this.#device.empty(momentum.shape);
      this.#device.run(kernels.axpy({ n: momentum.size, a: to / from }), { x: momentum, y: scaled });
      this.#device.copy(scaled, momentum);
      scaled.dispose();
    }
  }
}

const view = (tensor: Tensor, { offset, bytes }: Run): Tensor => tensor.view([bytes / 4], offset);

/** Neighbouring parameters that received gradients, joined; the padding between them belongs to no one. */
function touchedRuns({ parameters }: Arena, factors: readonly LrFactor[]): Run[] {
  const runs: { offset: number; bytes: number; lrFactor: number }[] = [];
  parameters.forEach(({ name, parameter, offset }, i) => {
    if (!parameter.touched) return;
    const lrFactor = factors.find(({ prefix }) => name.startsWith(prefix))?.factor ?? 1;
    const last = runs.at(-1);
    const joins = last?.lrFactor === lrFactor && parameters[i - 1].parameter.touched;
    if (joins) last.bytes = offset - last.offset + parameter.bytes;
    else runs.push({ offset, bytes: parameter.bytes, lrFactor });
  });
  return runs;
}
