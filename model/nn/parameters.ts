import {
  type Device,
  type Generator,
  isParameter,
  type Parameter,
  ReportedError,
  type Shape,
  sizeOf,
  type Tensor,
  type TypedArray,
} from '@cim/runtime';
import type { Initialiser } from './initialise.ts';

/** A weight that does not fit the model: wrong shape, missing or unknown name. */
export class StateDictError extends ReportedError {}

/** The solver treats biases apart: twice the learning rate, no decay (tools/train.py, group 1: 'bias' in the name). */
export type ParameterGroup = 'weight' | 'bias';

/** Trainable parameters of one group in one flat buffer, with their gradients in another of the same layout. */
export interface Arena {
  readonly name: string;
  readonly group: ParameterGroup;
  readonly values: Tensor;
  readonly gradients: Tensor;
  readonly parameters: { readonly name: string; readonly parameter: Parameter; readonly offset: number }[];
  used: number;
}

const FIRST_ARENA_BYTES = 1 << 20;
const LARGEST_ARENA_BYTES = 1 << 27;

/**
 * The parameters and buffers of a model under their PyTorch names. Trainable parameters live in flat arenas, so the
 * solver, gradient clearing and gradient norms are one dispatch an arena.
 */
export class ParameterStore {
  readonly device: Device;
  readonly arenas: Arena[] = [];
  readonly #generator: Generator;
  readonly #tensors = new Map<string, Tensor>();
  readonly #open = new Map<ParameterGroup, Arena>();
  readonly #owned: Tensor[] = [];

  constructor(device: Device, generator: Generator) {
    this.device = device;
    this.#generator = generator;
  }

  /** Root of the names. */
  scope(prefix = ''): Scope {
    return new Scope(this, prefix, true);
  }

  /** Adds a parameter with initial values drawn from the store's generator. */
  parameter(name: string, shape: Shape, initialise: Initialiser, trainable: boolean): Tensor {
    const tensor = trainable ? this.#trainable(name, shape) : this.#fixed(shape);
    tensor.write(initialise(this.#generator, sizeOf(shape)));
    this.#add(name, tensor);
    return tensor;
  }

  /**
   * Adds one parameter that state dicts show as several of one shape, stacked along the first dimension.
   * @returns [names · shape[0], …]
   */
  stacked(names: readonly string[], shape: Shape, initialise: Initialiser, trainable: boolean): Tensor {
    const [first, ...rest] = shape;
    const whole = [names.length * first, ...rest];
    const tensor = trainable ? this.#trainable(names[0], whole) : this.#fixed(whole);
    tensor.write(initialise(this.#generator, sizeOf(whole)));
    names.forEach((name, i) => this.#add(name, part(tensor, shape, i * sizeOf(shape) * 4)));
    return tensor;
  }

  /** Adds a tensor that is saved with the model but not trained, such as running statistics. */
  buffer(name: string, shape: Shape, value: number): Tensor {
    const tensor = this.#fixed(shape);
    tensor.write(new Float32Array(sizeOf(shape)).fill(value));
    this.#add(name, tensor);
    return tensor;
  }

  #add(name: string, tensor: Tensor): void {
    if (this.#tensors.has(name)) throw new StateDictError(`Two parameters are named ${name}.`);
    this.#tensors.set(name, tensor);
  }

  #fixed(shape: Shape): Tensor {
    const tensor = this.device.empty(shape);
    this.#owned.push(tensor);
    return tensor;
  }

  #trainable(name: string, shape: Shape): Parameter {
    const group: ParameterGroup = name.includes('bias') ? 'bias' : 'weight';
    const alignment = this.device.limits.minStorageBufferOffsetAlignment;
    const bytes = Math.ceil((sizeOf(shape) * 4) / alignment) * alignment;
    let arena = this.#open.get(group);
    if (!arena || arena.used + bytes > arena.values.bytes) {
      arena = this.#newArena(group, bytes, arena);
      this.#open.set(group, arena);
    }
    const parameter = arena.values.view(shape, arena.used) as Parameter;
    parameter.requiresGrad = true;
    parameter.grad = arena.gradients.view(shape, arena.used);
    parameter.touched = false;
    arena.parameters.push({ name, parameter, offset: arena.used });
    arena.used += bytes;
    return parameter;
  }

  #newArena(group: ParameterGroup, bytes: number, previous: Arena | undefined): Arena {
    const limit = Math.min(LARGEST_ARENA_BYTES, this.device.limits.maxStorageBufferBindingSize);
    const wanted = previous ? Math.min(previous.values.bytes * 2, limit) : FIRST_ARENA_BYTES;
    const size = Math.max(wanted, bytes) / 4;
    const arena: Arena = {
      name: `${group}.${this.arenas.filter((a) => a.group === group).length}`,
      group,
      values: this.device.zeros([size]),
      gradients: this.device.zeros([size]),
      parameters: [],
      used: 0,
    };
    this.#owned.push(arena.values, arena.gradients);
    this.arenas.push(arena);
    return arena;
  }

  /** Names and tensors in the order of registration, as PyTorch's `state_dict()` lists them. */
  get tensors(): ReadonlyMap<string, Tensor> {
    return this.#tensors;
  }

  /** Sets all gradients to zero. */
  zeroGrad(): void {
    for (const arena of this.arenas) {
      this.device.clear(arena.gradients);
      for (const { parameter } of arena.parameters) parameter.touched = false;
    }
  }

  /** Copies every tensor to the host. */
  async stateDict(): Promise<Map<string, { shape: Shape; data: TypedArray }>> {
    const entries = [...this.#tensors].map(
      async ([name, tensor]) => [name, { shape: tensor.shape, data: await tensor.read() }] as const,
    );
    return new Map(await Promise.all(entries));
  }

  /**
   * Loads tensors by name.
   * @param strict every name must exist on both sides; otherwise only common names are loaded.
   * @throws StateDictError that lists missing, unexpected and misshapen names.
   */
  load(
    state: ReadonlyMap<string, { shape: Shape; data: ArrayLike<number> }>,
    { strict = true } = {},
  ): { loaded: string[]; missing: string[]; unexpected: string[] } {
    const missing = [...this.#tensors.keys()].filter((name) => !state.has(name));
    const unexpected = [...state.keys()].filter(
      (name) => !this.#tensors.has(name) && !name.endsWith('num_batches_tracked'),
    );
    const common = [...this.#tensors].filter(([name]) => state.has(name));
    const misshapen = common
      .filter(([name, tensor]) => String(state.get(name)!.shape) !== String(tensor.shape))
      .map(([name, tensor]) => `${name}: [${state.get(name)!.shape}] in the file, [${tensor.shape}] in the model`);
    if (misshapen.length > 0 || (strict && missing.length + unexpected.length > 0)) {
      const list = (title: string, names: string[]): string =>
        names.length === 0
          ? ''
          : `\n  ${title} (${names.length}): ${names.slice(0, 8).join(', ')}${names.length > 8 ? ', …' : ''}`;
      throw new StateDictError(
        `The weights are of another architecture.${list('missing', missing)}${list('unexpected', unexpected)}${list('other shape', misshapen)}`,
        'Use the configuration the checkpoint was trained with.',
      );
    }
    for (const [name, tensor] of common) tensor.write(state.get(name)!.data);
    return { loaded: common.map(([name]) => name), missing, unexpected };
  }

  dispose(): void {
    for (const tensor of this.#tensors.values()) {
      if (isParameter(tensor)) tensor.grad.dispose();
      tensor.dispose();
    }
    for (const { parameters } of this.arenas) {
      for (const { parameter } of parameters) {
        parameter.grad.dispose();
        parameter.dispose();
      }
    }
    for (const tensor of this.#owned) tensor.dispose();
  }
}

/** A window on a stacked parameter, for reading, writing and inspection; kernels bind the whole. */
function part(whole: Tensor, shape: Shape, offset: number): Tensor {
  const window = whole.view(shape, whole.offset + offset);
  if (!isParameter(whole)) return window;
  const grad = whole.grad.view(shape, whole.grad.offset + offset);
  return Object.defineProperty(Object.assign(window, { grad }), 'touched', { get: () => whole.touched });
}

/** A dotted prefix of names, and whether what is added below it trains. */
export class Scope {
  readonly store: ParameterStore;
  readonly prefix: string;
  readonly trainable: boolean;
  constructor(store: ParameterStore, prefix: string, trainable: boolean) {
    this.store = store;
    this.prefix = prefix;
    this.trainable = trainable;
  }

  child(name: string | number): Scope {
    return new Scope(this.store, this.prefix ? `${this.prefix}.${name}` : String(name), this.trainable);
  }
  /** The same names, but nothing added from here on trains. */
  frozen(frozen = true): Scope {
    return new Scope(this.store, this.prefix, this.trainable && !frozen);
  }
  parameter(name: string, shape: Shape, initialise: Initialiser): Tensor {
    return this.store.parameter(this.child(name).prefix, shape, initialise, this.trainable);
  }
  /** One parameter under several names, see {@link ParameterStore.stacked}. */
  stacked(names: readonly string[], shape: Shape, initialise: Initialiser): Tensor {
    const full = names.map((name) => this.child(name).prefix);
    return this.store.stacked(full, shape, initialise, this.trainable);
  }
  buffer(name: string, shape: Shape, value: number): Tensor {
    return this.store.buffer(this.child(name).prefix, shape, value);
  }
}
