/** Tensors of a .pth file, read when they are asked for. */
import type { Fail } from '../bytes.ts';
import { type OpenFile, readRange, withFile } from '../file-bytes.ts';
import {
  type ArrayOf,
  bytesPerElement,
  type DType,
  decodeElements,
  elementCount,
  gatherView,
  type LazyArray,
  zeros,
} from '../ndarray.ts';
import { readEntry, type ZipEntry } from './zip-reader.ts';

/** Where the bytes of a storage lie. */
export type Source = { readonly entry: ZipEntry } | { readonly position: number };

/** A file with storages, reopened for every read: a checkpoint keeps no file open. */
export interface TorchFile {
  readonly path: string;
  /** See {@link OpenFile}. */
  readonly version: string;
  readonly bigEndian: boolean;
  readonly fail: Fail;
}

/** A run of elements that tensors are views of. */
export class TorchStorage {
  /** Null where tensors name their own (UntypedStorage). */
  readonly dtype: DType | null;
  readonly bytes: number;
  readonly #file: TorchFile;
  readonly #source: () => Source;

  constructor(file: TorchFile, dtype: DType | null, bytes: number, source: () => Source) {
    this.#file = file;
    this.dtype = dtype;
    this.bytes = bytes;
    this.#source = source;
  }

  /** Elements [begin, begin + count). */
  read<D extends DType>(dtype: D, begin: number, count: number): Promise<ArrayOf<D>> {
    const { path, version, bigEndian, fail } = this.#file;
    const width = bytesPerElement(dtype);
    return withFile(path, fail, async (file) => {
      if (file.version !== version) fail('it was replaced while it was in use');
      return decodeElements(dtype, await this.#read(file, begin * width, count * width), bigEndian);
    });
  }

  #read(file: OpenFile, begin: number, length: number): Promise<Uint8Array> {
    const source = this.#source();
    const { fail } = this.#file;
    return 'entry' in source
      ? readEntry(file, source.entry, begin, length, fail)
      : readRange(file, source.position + begin, length, fail);
  }
}

/** A strided view of a storage. */
export class TorchTensor implements LazyArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly #storage: TorchStorage;
  readonly #offset: number;
  readonly #strides: readonly number[];

  constructor(
    storage: TorchStorage,
    dtype: DType,
    offset: number,
    shape: readonly number[],
    strides: readonly number[],
  ) {
    this.#storage = storage;
    this.dtype = dtype;
    this.shape = shape;
    this.#offset = offset;
    this.#strides = strides;
  }

  async read(first = 0, count = elementCount(this.shape) - first): Promise<ArrayOf<DType>> {
    const { dtype, shape } = this;
    const size = elementCount(shape);
    if (first < 0 || count < 0 || first + count > size) {
      throw new RangeError(`A tensor [${shape}] has ${size} elements, not ${first} to ${first + count}.`);
    }
    if (count === 0) return zeros(dtype, 0);
    if (isContiguous(shape, this.#strides)) return this.#storage.read(dtype, this.#offset + first, count);
    const span = 1 + lastPlace(shape, this.#strides);
    const data = await this.#storage.read(dtype, this.#offset, span);
    const whole = gatherView(data, shape, this.#strides, zeros(dtype, size));
    return whole.subarray(first, first + count) as ArrayOf<DType>;
  }
}

/** Place of the last element of a view that is not empty, relative to its first. */
export const lastPlace = (shape: readonly number[], strides: readonly number[]): number =>
  shape.reduce((sum, extent, i) => sum + (extent - 1) * strides[i], 0);

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== expected) return false;
    expected *= shape[i];
  }
  return true;
}
