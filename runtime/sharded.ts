import type { Parameter } from './tape.ts';
import { arrayOf, type DType, type Shape, sizeOf, Tensor, type TypedArray } from './tensor.ts';

/**
 * A tensor larger than one binding: cut along its first dimension into shards of consecutive rows, each a tensor of its
 * own. Only weights are sharded; operations that take one work shard by shard.
 */
export class ShardedTensor {
  /** Of the whole. */
  readonly shape: Shape;
  /** Rows of the first dimension, in order. */
  readonly shards: readonly Tensor[];

  /** Puts shards together that agree in all dimensions but the first. */
  constructor(shards: readonly Tensor[]) {
    this.shape = [shards.reduce((rows, { shape }) => rows + shape[0], 0), ...shards[0].shape.slice(1)];
    this.shards = shards;
  }

  /** Elements of all shards. */
  get size(): number {
    return sizeOf(this.shape);
  }
  /** Bytes of all shards. */
  get bytes(): number {
    return this.size * 4;
  }
  /** The same for all shards. */
  get dtype(): DType {
    return this.shards[0].dtype;
  }

  /** All elements on the host. */
  read(): Promise<TypedArray> {
    return readElements(this, 0, this.size);
  }

  /** Replaces all elements, ordered after all work recorded so far. */
  write(data: ArrayLike<number>): void {
    let first = 0;
    for (const shard of this.shards) {
      shard.write(elements(data, first, shard.size));
      first += shard.size;
    }
  }

  /** Disposes of every shard. */
  dispose(): void {
    for (const shard of this.shards) shard.dispose();
  }
}

/** A sharded tensor whose shards train. */
export class ShardedParameter extends ShardedTensor {
  declare readonly shards: readonly Parameter[];

  /** The gradients of the shards. */
  get grad(): ShardedTensor {
    return new ShardedTensor(this.shards.map(({ grad }) => grad));
  }
  /** Whether any of the gradients is valid; setting it sets it for all. */
  get touched(): boolean {
    return this.shards.some(({ touched }) => touched);
  }
  set touched(touched: boolean) {
    for (const shard of this.shards) shard.touched = touched;
  }
}

/** What may be larger than one binding. */
export type Weight = Tensor | ShardedTensor;

/** A stretch of a weight's first dimension that one tensor holds. */
export interface RowShard {
  /** Rows `first` … `first + count − 1` of the weight. */
  readonly tensor: Tensor;
  /** First row of the weight. */
  readonly first: number;
  /** Rows. */
  readonly count: number;
}

/** The tensors that hold a weight; a plain tensor is its own only shard. */
export function rowShards(weight: Weight): RowShard[] {
  let next = 0;
  return shardsOf(weight).map((tensor) => {
    const first = next;
    next += tensor.shape[0];
    return { tensor, first, count: tensor.shape[0] };
  });
}

/** The shards of a weight; a weight that is one tensor is its only shard. */
export const shardsOf = (weight: Weight): readonly Tensor[] => (weight instanceof Tensor ? [weight] : weight.shards);

/** A weight of the same shards, each made from one of `weight`. */
export const mapShards = (weight: Weight, change: (shard: Tensor) => Tensor): Weight =>
  weight instanceof Tensor ? change(weight) : new ShardedTensor(weight.shards.map(change));

/** Elements `first` to `first + count` in row-major order on the host. */
export async function readElements(weight: Weight, first: number, count: number): Promise<TypedArray> {
  const windows = elementWindows(weight, first, count);
  if (windows.length === 1) return windows[0].tensor.device.read(windows[0].tensor, windows[0].from, windows[0].length);
  const data = arrayOf(weight.dtype, count);
  for (const { tensor, from, length, at } of windows) data.set(await tensor.device.read(tensor, from, length), at);
  return data;
}

/** Replaces elements from `first` on, ordered after all work recorded so far. */
export function writeElements(weight: Weight, first: number, data: ArrayLike<number>): void {
  for (const { tensor, from, length, at } of elementWindows(weight, first, data.length)) {
    tensor.device.write(tensor, elements(data, at, length), from);
  }
}

/** Where elements `first` to `first + count` lie: `length` elements of `tensor` after `from` are those after `at`. */
function elementWindows(weight: Weight, first: number, count: number) {
  const windows: { tensor: Tensor; from: number; length: number; at: number }[] = [];
  let start = 0;
  for (const tensor of shardsOf(weight)) {
    const from = Math.max(first, start);
    const length = Math.min(first + count, start + tensor.size) - from;
    if (length > 0) windows.push({ tensor, from: from - start, length, at: from - first });
    start += tensor.size;
  }
  return windows;
}

/** A window on host data, without a copy where it is a typed array. */
const elements = (data: ArrayLike<number>, first: number, count: number): ArrayLike<number> =>
  ArrayBuffer.isView(data)
    ? (data as TypedArray).subarray(first, first + count)
    : Array.prototype.slice.call(data, first, first + count);
