/**
 * Writes what `torch.load(path, weights_only=True)` reads: a ZIP archive of stored entries, storages at multiples of 64
 * bytes, the structure as a pickle of protocol 2. Tensors pass a piece at a time.
 */
import { writeFileAtomic } from '../atomic.ts';
import {
  bytesOf,
  bytesPerElement,
  type DType,
  elementCount,
  type LazyArray,
  type NdArray,
  rowMajorStrides,
} from '../ndarray.ts';
import { Tuple } from '../pickle/values.ts';
import { type Picklable, PickleWriter } from '../pickle/writer.ts';
import { storageName } from './globals.ts';
import { ZipWriter } from './zip-writer.ts';

/** What a checkpoint can be made of; arrays become tensors. */
export type Torchable = Picklable<LazyArray>;

/**
 * Saves a value as `torch.save` does. Map or plain object → dict, array → list, {@link Tuple} → tuple.
 *
 * @throws OutputError when it cannot be written; CheckpointError when a lazy tensor cannot be read any more.
 */
export const writeTorch = (path: string, value: Torchable): Promise<void> => writeFileAtomic(path, archive(value));

/** The folder that torch.save puts everything in. */
const ROOT = 'archive';

/** Bytes of a tensor that are in memory at once. */
const PIECE = 2 ** 26;

async function* archive(value: Torchable): AsyncGenerator<Uint8Array> {
  const zip = new ZipWriter();
  const writer = new TorchPickle();
  yield* zip.entry(`${ROOT}/data.pkl`, writer.encode(value));
  yield* zip.entry(`${ROOT}/byteorder`, [Buffer.from('little')]);
  for (const [key, tensor] of writer.tensors.entries()) yield* zip.entry(`${ROOT}/data/${key}`, content(tensor));
  yield* zip.entry(`${ROOT}/version`, [Buffer.from('3\n')]);
  yield* zip.end();
}

async function* content(tensor: LazyArray): AsyncGenerator<Uint8Array> {
  const size = elementCount(tensor.shape);
  const count = PIECE / bytesPerElement(tensor.dtype);
  for (let first = 0; first < size; first += count) {
    yield bytesOf(await tensor.read(first, Math.min(count, size - first)));
  }
}

const isTensor = (value: Torchable): value is NdArray | LazyArray =>
  typeof value === 'object' && value !== null && 'read' in value && typeof value.read === 'function';

/** The structure of a checkpoint: tensors are references to storages by number. */
class TorchPickle extends PickleWriter<LazyArray> {
  readonly tensors: LazyArray[] = [];

  encode(value: Torchable): Uint8Array[] {
    this.opcode('\x80').byte(2);
    return [...this.save(value), this.opcode('.').take()];
  }

  override *save(value: Torchable): Generator<Uint8Array> {
    if (isTensor(value)) yield* this.#tensor(value);
    else yield* super.save(value);
  }

  /** `_rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())`. */
  *#tensor(tensor: LazyArray): Generator<Uint8Array> {
    const { dtype, shape } = tensor;
    this.global('torch._utils', '_rebuild_tensor_v2').opcode('(');
    yield* this.#storage(dtype, elementCount(shape));
    this.opcode('K').byte(0);
    yield* this.save(Tuple.from(shape));
    yield* this.save(Tuple.from(rowMajorStrides(shape)));
    this.opcode('\x89').global('collections', 'OrderedDict').opcode(')').opcode('R').opcode('t').opcode('R');
    this.tensors.push(tensor);
  }

  /** The persistent id ('storage', torch.FloatStorage, key, 'cpu', elements). */
  *#storage(dtype: DType, count: number): Generator<Uint8Array> {
    this.opcode('(');
    yield* this.save('storage');
    this.global('torch', storageName(dtype));
    for (const part of [String(this.tensors.length), 'cpu', count]) yield* this.save(part);
    this.opcode('t').opcode('Q');
  }
}
