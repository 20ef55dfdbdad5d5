/**
 * The safetensors format (github.com/huggingface/safetensors): u64 little-endian header length, JSON header
 * `{ name: { dtype, shape, data_offsets: [begin, end] }, __metadata__: { key: text } }`, then the raw little-endian data,
 * without holes. The header is padded with spaces so that the data starts at a multiple of 8, and tensors are stored by
 * falling element size, so every element is aligned in a mapped file.
 */
import { reasonOf } from '../errors.ts';
import type { ByteSource, Fail } from './bytes.ts';
import { isRecord } from './json.ts';
import { type ArrayOf, arrayOver, bytesPerElement, type DType, isCount, type LazyArray } from './ndarray.ts';

/** What NumPy and PyTorch call the types. */
export const TYPES = {
  F64: 'float64',
  I64: 'int64',
  U64: 'uint64',
  F32: 'float32',
  I32: 'int32',
  U32: 'uint32',
  F16: 'float16',
  BF16: 'bfloat16',
  I16: 'int16',
  U16: 'uint16',
  I8: 'int8',
  U8: 'uint8',
  BOOL: 'bool',
} as const satisfies Record<string, DType>;

export type SafetensorDtype = keyof typeof TYPES;

type TensorOf<D extends SafetensorDtype> = {
  readonly dtype: D;
  readonly shape: readonly number[];
  /** Row-major elements. */
  readonly data: ArrayOf<(typeof TYPES)[D]>;
};
/** One tensor in memory; testing `dtype` narrows the type of `data`. */
export type SafeTensor = { [D in SafetensorDtype]: TensorOf<D> }[SafetensorDtype];

type LazyTensorOf<D extends SafetensorDtype> = {
  readonly dtype: D;
  readonly shape: readonly number[];
  /** `count` row-major elements from `first` on; all of them by default. */
  read(first?: number, count?: number): Promise<ArrayOf<(typeof TYPES)[D]>>;
};
/** One tensor elsewhere, in a file or on a device, whose elements come when asked for. */
export type LazySafeTensor = { [D in SafetensorDtype]: LazyTensorOf<D> }[SafetensorDtype];

/** A tensor under the type names of other formats. */
export const arrayOfSafeTensor = ({ dtype, shape, read }: LazySafeTensor): LazyArray => ({
  dtype: TYPES[dtype],
  shape,
  read: (first, count) => read(first, count) as Promise<ArrayOf<DType>>,
});

/** An array of another format as a tensor to be written. */
export const safeTensorOf = (array: LazyArray): LazySafeTensor => {
  const dtype = (Object.keys(TYPES) as SafetensorDtype[]).find((name) => TYPES[name] === array.dtype)!;
  return { dtype, shape: array.shape, read: (first, count) => array.read(first, count) } as LazySafeTensor;
};

/** What a file holds, or a download. */
export interface Safetensors<T = SafeTensor> {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, T>;
}

/** The reference implementation's limit on the header, in bytes. */
const MAX_HEADER = 100_000_000;

interface Entry {
  readonly name: string;
  readonly dtype: SafetensorDtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * Reads what the content says about its tensors, which are read when asked for, a part at a time if need be. The header is
 * checked against the size before any data is read, so damaged content costs neither time nor memory.
 *
 * @param fail told what is wrong with it.
 */
export async function parseSafetensors(source: ByteSource, fail: Fail): Promise<Safetensors<LazySafeTensor>> {
  const { metadata, entries, dataStart } = await readHeader(source, fail);
  const tensors = new Map<string, LazySafeTensor>();
  for (const { name, dtype, shape, begin, end } of entries) {
    const width = bytesPerElement(TYPES[dtype]);
    const size = (end - begin) / width;
    const read = async (first = 0, count = size - first) => {
      if (first < 0 || count < 0 || first + count > size)
        throw new RangeError(`Tensor "${name}" has ${size} elements, not ${first} to ${first + count}.`);
      const bytes = await source.read(dataStart + begin + first * width, count * width);
      return arrayOver(TYPES[dtype], bytes.buffer);
    };
    tensors.set(name, { dtype, shape, read } as LazySafeTensor);
  }
  return { metadata, tensors };
}

async function readHeader(source: ByteSource, fail: Fail) {
  const { size } = source;
  if (size < 10) fail(`it is not a safetensors file (${size} bytes)`);
  const prefix = await source.read(0, 8);
  const length = Number(new DataView(prefix.buffer).getBigUint64(0, true));
  if (length > MAX_HEADER) fail(`it is not a safetensors file (a header of ${length} bytes)`);
  if (8 + length > size) fail(`the file is truncated: a header of ${length} bytes in a file of ${size}`);
  const header = parseHeader(await source.read(8, length), fail);
  const metadata = readMetadata(header, fail);
  const entries = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => readEntry(name, value, fail));
  checkLayout(entries, size - 8 - length, fail);
  return { metadata, entries, dataStart: 8 + length };
}

function parseHeader(bytes: Uint8Array, fail: Fail): Record<string, unknown> {
  try {
    const header: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (isRecord(header)) return header;
  } catch (error) {
    return fail(`its header is not JSON (${reasonOf(error)})`, error);
  }
  return fail('its header is not a JSON object');
}

function readMetadata(header: Record<string, unknown>, fail: Fail): Record<string, string> {
  const metadata = header.__metadata__ ?? {};
  if (!isRecord(metadata)) return fail('its __metadata__ is not an object');
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== 'string') fail(`its metadata "${key}" is not text`);
  }
  return metadata as Record<string, string>;
}

function readEntry(name: string, value: unknown, fail: Fail): Entry {
  if (!isRecord(value)) return fail(`tensor "${name}" is not described by an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(TYPES, dtype)) {
    return fail(`tensor "${name}" has the unknown dtype ${JSON.stringify(dtype)}`);
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    return fail(`tensor "${name}" has the impossible shape ${JSON.stringify(shape)}`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    return fail(`tensor "${name}" has the impossible data_offsets ${JSON.stringify(offsets)}`);
  }
  const [begin, end] = offsets as [number, number];
  const bytes = byteLength(dtype as SafetensorDtype, shape);
  if (end - begin !== bytes) {
    fail(
      `tensor "${name}" of ${dtype} [${shape}] needs ${bytes} bytes, its data_offsets [${offsets}] hold ${end - begin}`,
    );
  }
  return { name, dtype: dtype as SafetensorDtype, shape, begin, end };
}

export const byteLength = (dtype: SafetensorDtype, shape: readonly number[]): number =>
  shape.reduce((product, extent) => product * extent, bytesPerElement(TYPES[dtype]));

/** The tensors must fill the data section: one after the other, no overlap, no hole, nothing left over. */
function checkLayout(entries: readonly Entry[], available: number, fail: Fail): void {
  let end = 0;
  for (const entry of entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (entry.end > available) {
      fail(`the file is truncated: tensor "${entry.name}" ends at byte ${entry.end} of ${available} bytes of data`);
    }
    if (entry.begin < end) fail(`tensor "${entry.name}" at byte ${entry.begin} overlaps the one that ends at ${end}`);
    if (entry.begin > end) fail(`bytes ${end} to ${entry.begin} of the data belong to no tensor`);
    end = entry.end;
  }
  if (end !== available) fail(`the last ${available - end} bytes of the data belong to no tensor`);
}
