import {
  type Device,
  type Generator,
  isParameter,
  type Parameter,
  rowShards,
  type Shape,
  ShardedParameter,
  ShardedTensor,
  sizeOf,
  type Tensor,
  type Weight,
  writeElements,
} from '@cim/runtime';
import type { Initialiser } from './initialise.ts';
import { type LazyTensor, type LoadReport, loadState, type StateDict, StateDictError, stateOf } from './state-dict.ts';

/** The solver treats biases apart: twice the learning rate, no decay (tools/train.py, group 1: 'bias' in the name). */
export type ParameterGroup = 'weight' | 'bias';

/** Trainable parameters of one group in one flat buffer, with their gradients in another of the same layout. */
export interface Arena {
  /** Biases, or everything else. */
  readonly group: ParameterGroup;
  /** Flat, all parameters one after the other. */
  readonly values: Tensor;
  /** In the same layout. */
  readonly gradients: Tensor;
  /** `offset` in bytes. */
  readonly parameters: { readonly name: string; readonly parameter: Parameter; readonly offset: number }[];
  /** Bytes taken so far. */
  used: number;
}

const FIRST_ARENA_BYTES = 1 << 20;
const LARGEST_ARENA_BYTES = 1 << 27;
/** Initial values made at a time, elements: 64 MiB. */
const PIECE = 2 ** 24;

/** What a {@link ParameterStore} is for. */
export interface StoreOptions {
  /** Whether parameters that may train have gradients; without, they take half the memory. */
  readonly trains?: boolean;
}

/** A vector, which is one tensor whatever the device's limit. */
type Vector = readonly [size: number];

/**
 * The parameters and buffers of a model under their PyTorch names. Trainable parameters live in flat arenas, so the
 * solver and gradient norms are one dispatch an arena. Weights that no binding of the device can hold
 * are sharded; under its name each is one tensor all the same, so files do not depend on the device.
 */
export class ParameterStore {
  /** Where the parameters are. */
  readonly device: Device;
  /** Everything that trains. */
  readonly arenas: Arena[] = [];
  readonly #generator: Generator | null;
  readonly #trains: boolean;
  readonly #tensors = new Map<string, Weight>();
  readonly #open = new Map<ParameterGroup, Arena>();
  readonly #owned: { dispose(): void }[] = [];

  /**
   * @param generator draws initial values; null leaves them unset, for all of them will be loaded.
   * @param options without `trains` nothing has a gradient: half the memory, for inference.
   */
  constructor(device: Device, generator: Generator | null, { trains = true }: StoreOptions = {}) {
    this.device = device;
    this.#generator = generator;
    this.#trains = trains;
  }

  /** Root of the names. */
  scope(prefix = ''): Scope {
    return new Scope(this, prefix, this.#trains);
  }

  /**
   * Adds a parameter with its initial values.
   *
   * @throws StateDictError when the name is taken.
   */
  parameter(name: string, shape: Vector, initialise: Initialiser, trainable: boolean): Tensor;
  parameter(name: string, shape: Shape, initialise: Initialiser, trainable: boolean): Weight;
  parameter(name: string, shape: Shape, initialise: Initialiser, trainable: boolean): Weight {
    const weight = this.#create(name, shape, initialise, trainable);
    this.#add(name, weight);
    return weight;
  }

  /**
   * Adds one parameter that state dicts show as several of one shape, stacked along the first dimension.
   * @returns [names · shape[0], …]
   *
   * @throws StateDictError when a name is taken.
   */
  stacked(names: readonly string[], shape: Vector, initialise: Initialiser, trainable: boolean): Tensor;
  stacked(names: readonly string[], shape: Shape, initialise: Initialiser, trainable: boolean): Weight;
  stacked(names: readonly string[], shape: Shape, initialise: Initialiser, trainable: boolean): Weight {
    const [rows, ...rest] = shape;
    const weight = this.#create(names[0], [names.length * rows, ...rest], initialise, trainable);
    names.forEach((name, i) => this.#add(name, rowWindow(weight, i * rows, rows)));
    return weight;
  }

  /**
   * Adds a tensor that is saved with the model but not trained, such as running statistics.
   *
   * @throws StateDictError when the name is taken.
   */
  buffer(name: string, shape: Shape, value: number): Tensor {
    const tensor = this.#fixed(shape);
    tensor.write(new Float32Array(sizeOf(shape)).fill(value));
    this.#add(name, tensor);
    return tensor;
  }

  #add(name: string, weight: Weight): void {
    if (this.#tensors.has(name)) throw new StateDictError(`Two parameters are named ${name}.`);
    this.#tensors.set(name, weight);
  }

  #create(name: string, shape: Shape, initialise: Initialiser, trainable: boolean): Weight {
    const shards = this.#cut(shape).map((part) => (trainable ? this.#trainable(name, part) : this.#fixed(part)));
    const weight =
      shards.length === 1
        ? shards[0]
        : trainable
          ? new ShardedParameter(shards as Parameter[])
          : new ShardedTensor(shards);
    if (!this.#generator) return weight;
    for (let first = 0; first < weight.size; first += PIECE) {
      const values = new Float32Array(Math.min(PIECE, weight.size - first));
      initialise(this.#generator, values);
      writeElements(weight, first, values);
    }
    return weight;
  }

  /** The shapes of a weight's shards: as many rows each as a binding holds. */
  #cut([rows, ...rest]: Shape): Shape[] {
    const held = rest.length === 0 ? rows : Math.max(1, Math.floor(this.device.maxBinding / (4 * sizeOf(rest))));
    return Array.from({ length: Math.max(1, Math.ceil(rows / held)) }, (_, i) => [
      Math.min(held, rows - i * held),
      ...rest,
    ]);
  }

  #fixed(shape: Shape): Tensor {
    return this.own(this.device.empty(shape));
  }

  #trainable(name: string, shape: Shape): Parameter {
    const group: ParameterGroup = name.includes('bias') ? 'bias' : 'weight';
    const alignment = this.device.limits.minStorageBufferOffsetAlignment;
    const bytes = Math.ceil((sizeOf(shape) * 4) / alignment) * alignment;
    const arena = this.#arenaFor(group, bytes);
    const parameter = arena.values.view(shape, arena.used) as Parameter;
    parameter.requiresGrad = true;
    parameter.grad = arena.gradients.view(shape, arena.used);
    parameter.touched = false;
    arena.parameters.push({ name, parameter, offset: arena.used });
    arena.used += bytes;
    return parameter;
  }

  /** An arena with room for `bytes`. What fills most of one gets its own, and the open one stays open. */
  #arenaFor(group: ParameterGroup, bytes: number): Arena {
    const largest = Math.min(LARGEST_ARENA_BYTES, this.device.maxBinding);
    if (bytes > largest / 2) return this.#newArena(group, bytes);
    const open = this.#open.get(group);
    if (open && open.used + bytes <= open.values.bytes) return open;
    const wanted = Math.min(open ? open.values.bytes * 2 : FIRST_ARENA_BYTES, largest);
    const arena = this.#newArena(group, Math.max(wanted, bytes));
    this.#open.set(group, arena);
    return arena;
  }

  #newArena(group: ParameterGroup, bytes: number): Arena {
    const arena: Arena = {
      group,
      values: this.device.zeros([bytes / 4]),
      gradients: this.device.zeros([bytes / 4]),
      parameters: [],
      used: 0,
    };
    this.own(arena.values);
    this.own(arena.gradients);
    this.arenas.push(arena);
    return arena;
  }

  /** Names and tensors in the order of registration, as PyTorch's `state_dict()` lists them. */
  get tensors(): ReadonlyMap<string, Weight> {
    return this.#tensors;
  }

  /** Disposes of `resource` with the parameters. */
  own<T extends { dispose(): void }>(resource: T): T {
    this.#owned.push(resource);
    return resource;
  }

  /** Forgets all gradients: the next backward pass begins anew. */
  zeroGrad(): void {
    for (const { parameters } of this.arenas) for (const { parameter } of parameters) parameter.touched = false;
  }

  /** Every tensor by name, to be read a piece at a time. */
  stateDict(): Map<string, LazyTensor> {
    return stateOf(this.#tensors);
  }

  /**
   * Loads tensors by name, see {@link loadState}.
   * @param options `strict`, true unless given: every name must exist on both sides; otherwise only common names are loaded.
   * @throws StateDictError that lists missing, unknown and misshapen names.
   */
  load(state: StateDict, options: { strict?: boolean } = {}): Promise<LoadReport> {
    return loadState(this.#tensors, state, options);
  }

  /** Frees all parameters, gradients, and what {@link own} was given. */
  dispose(): void {
    for (const weight of this.#tensors.values()) {
      if (isParameter(weight)) weight.grad.dispose();
      weight.dispose();
    }
    for (const { parameters } of this.arenas) {
      for (const { parameter } of parameters) {
        parameter.grad.dispose();
        parameter.dispose();
      }
    }
    for (const resource of this.#owned) resource.dispose();
  }
}

/** `count` rows of a weight from `first` on, for reading, writing and inspection; kernels bind the whole. */
function rowWindow(whole: Weight, first: number, count: number): Weight {
  const windows = rowShards(whole).flatMap((shard) => {
    const from = Math.max(first, shard.first);
    const rows = Math.min(first + count, shard.first + shard.count) - from;
    return rows > 0 ? [tensorRows(shard.tensor, from - shard.first, rows)] : [];
  });
  if (windows.length === 1) return windows[0];
  return isParameter(whole) ? new ShardedParameter(windows as Parameter[]) : new ShardedTensor(windows);
}

function tensorRows(whole: Tensor, first: number, count: number): Tensor {
  const [, ...rest] = whole.shape;
  const [shape, offset] = [[count, ...rest], first * sizeOf(rest) * 4];
  const window = whole.view(shape, whole.offset + offset);
  if (!isParameter(whole)) return window;
  const grad = whole.grad.view(shape, whole.grad.offset + offset);
  return Object.defineProperty(Object.assign(window, { grad }), 'touched', { get: () => whole.touched });
}

/** A dotted prefix of names, and whether what is added below it trains. */
export class Scope {
  /** Where parameters are added. */
  readonly store: ParameterStore;
  /** Names joined by dots; empty at the root. */
  readonly prefix: string;
  /** Whether what is added receives gradients. */
  readonly trainable: boolean;
  /** Usually made by {@link ParameterStore.scope}, {@link child} and {@link frozen}. */
  constructor(store: ParameterStore, prefix: string, trainable: boolean) {
    this.store = store;
    this.prefix = prefix;
    this.trainable = trainable;
  }

  /** The names below `name`. */
  child(name: string | number): Scope {
    return new Scope(this.store, this.prefix ? `${this.prefix}.${name}` : String(name), this.trainable);
  }
  /** The same names, but nothing added from here on trains. */
  frozen(frozen = true): Scope {
    return new Scope(this.store, this.prefix, this.trainable && !frozen);
  }
  /** A parameter; a weight that no binding can hold is sharded. */
  parameter(name: string, shape: Vector, initialise: Initialiser): Tensor;
  parameter(name: string, shape: Shape, initialise: Initialiser): Weight;
  parameter(name: string, shape: Shape, initialise: Initialiser): Weight {
    return this.store.parameter(this.child(name).prefix, shape, initialise, this.trainable);
  }
  /** One parameter under several names, see {@link ParameterStore.stacked}. */
  stacked(names: readonly string[], shape: Vector, initialise: Initialiser): Tensor;
  stacked(names: readonly string[], shape: Shape, initialise: Initialiser): Weight;
  stacked(names: readonly string[], shape: Shape, initialise: Initialiser): Weight {
    const full = names.map((name) => this.child(name).prefix);
    return this.store.stacked(full, shape, initialise, this.trainable);
  }
  /** A tensor that is saved but not trained, see {@link ParameterStore.buffer}. */
  buffer(name: string, shape: Shape, value: number): Tensor {
    return this.store.buffer(this.child(name).prefix, shape, value);
  }
}
