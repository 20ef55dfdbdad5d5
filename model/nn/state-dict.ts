/** Named tensors as they pass between models and files: whole, or read when needed and a piece at a time. */
import { ReportedError, readElements, type Shape, shardsOf, type Weight, writeElements } from '@cim/runtime';

/** A weight that does not fit the model: wrong shape, missing or unknown name. */
export class StateDictError extends ReportedError {}

/** A tensor in memory, row-major. */
export interface HostTensor {
  /** Sizes of the dimensions. */
  readonly shape: Shape;
  /** All elements, row-major. */
  readonly data: ArrayLike<number>;
}

/** A tensor that is somewhere else: on the device, or in a file. */
export interface LazyTensor {
  /** Sizes of the dimensions. */
  readonly shape: Shape;
  /** `count` row-major elements from `first` on; all of them by default. */
  read(first?: number, count?: number): Promise<ArrayLike<number>>;
}

/** Tensors by their PyTorch names. */
export type StateDict = ReadonlyMap<string, HostTensor | LazyTensor>;

/** What became of every name, for the user to see. */
export interface LoadReport {
  /** In the model's order. */
  readonly loaded: readonly string[];
  /** Names of the state that the model has no use for. */
  readonly skipped: readonly string[];
  /** Names of the model that the state lacks; they keep their values. */
  readonly missing: readonly string[];
}

/** Elements held at a time: 64 MiB. */
const PIECE = 2 ** 24;

/** A view of weights to be read a piece at a time. They must not change while that is done. */
export const stateOf = (weights: ReadonlyMap<string, Weight>): Map<string, LazyTensor> =>
  new Map(
    [...weights].map(([name, weight]) => [
      name,
      {
        shape: weight.shape,
        read: (first = 0, count = weight.size - first) => readElements(weight, first, count),
      },
    ]),
  );

/**
 * Loads weights by name; lazy tensors a piece at a time, so that host memory stays small whatever the size.
 * @param options `strict`, true unless given: every name must exist on both sides; otherwise only common names are loaded.
 * @throws StateDictError that lists missing, unknown and misshapen names; nothing has been loaded then.
 */
export async function loadState(
  weights: ReadonlyMap<string, Weight>,
  state: StateDict,
  { strict = true }: { strict?: boolean } = {},
): Promise<LoadReport> {
  const missing = [...weights.keys()].filter((name) => !state.has(name));
  const skipped = [...state.keys()].filter((name) => !weights.has(name));
  // A counter of PyTorch's batch norm that nothing here needs.
  const unknown = skipped.filter((name) => !name.endsWith('num_batches_tracked'));
  const common = [...weights].filter(([name]) => state.has(name));
  const misshapen = common
    .filter(([name, { shape }]) => String(state.get(name)!.shape) !== String(shape))
    .map(([name, { shape }]) => `${name}: [${state.get(name)!.shape}] in the file, [${shape}] in the model`);
  if (misshapen.length > 0 || (strict && missing.length + unknown.length > 0)) {
    throw new StateDictError(
      `The weights are of another architecture.${list('missing', missing)}${list('unexpected', unknown)}${list('other shape', misshapen)}`,
      'Use the configuration the checkpoint was trained with.',
    );
  }
  for (const [name, weight] of common) await copyInto(weight, state.get(name)!);
  return { loaded: common.map(([name]) => name), skipped, missing };
}

async function copyInto(weight: Weight, source: HostTensor | LazyTensor): Promise<void> {
  if ('data' in source) {
    weight.write(source.data);
    return;
  }
  const [{ device }] = shardsOf(weight);
  for (let first = 0; first < weight.size; first += PIECE) {
    // What was written is held until the GPU has it.
    if (first > 0) await device.finish();
    writeElements(weight, first, await source.read(first, Math.min(PIECE, weight.size - first)));
  }
}

const list = (title: string, names: readonly string[]): string =>
  names.length === 0
    ? ''
    : `\n  ${title} (${names.length}): ${names.slice(0, 8).join(', ')}${names.length > 8 ? ', …' : ''}`;
