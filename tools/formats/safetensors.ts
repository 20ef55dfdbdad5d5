/**
 * The safetensors format (github.com/huggingface/safetensors): u64 little-endian header length, JSON header
 * `{ name: { dtype, shape, data_offsets: [begin, end] }, __metadata__: { key: text } }`, then the raw little-endian data,
 * without holes. The header is padded with spaces so that the data starts at a multiple of 8, and tensors are stored by
 * falling element size, so every element is aligned in a mapped file.
 */
import { reasonOf } from '../errors.ts';
import { writeFileAtomic } from './atomic.ts';
import { checkpointFailure, type Fail, type OpenFile, readRange, withFile } from './file-bytes.ts';
import { isRecord } from './json.ts';
import {
  type ArrayOf,
  arrayOver,
  bytesOf,
  bytesPerElement,
  type DType,
  isArrayOf,
  isCount,
  type LazyArray,
} from './ndarray.ts';

/** What NumPy and PyTorch call the types. */
const TYPES = {
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

/** What a file holds. */
export interface Safetensors<T = SafeTensor> {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, T>;
}

/** The reference implementation's limit on the header, in bytes. */
const MAX_HEADER = 100_000_000;
/** Bytes of a lazy tensor that are in memory at once while it is written. */
const WRITE_PIECE = 2 ** 26;

interface Entry {
  readonly name: string;
  readonly dtype: SafetensorDtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * Reads and checks a whole file, see {@link openSafetensors}. Every tensor gets a buffer of its own, so its elements are
 * aligned.
 *
 * @throws CheckpointError naming the file and what is wrong with it.
 */
export async function readSafetensors(path: string): Promise<Safetensors> {
  const { metadata, tensors } = await openSafetensors(path);
  const whole = new Map<string, SafeTensor>();
  for (const [name, { dtype, shape, read }] of tensors) {
    whole.set(name, { dtype, shape, data: await read() } as SafeTensor);
  }
  return { metadata, tensors: whole };
}

/**
 * Reads what a file says about its tensors, which are read when asked for, a part at a time if need be. The header is
 * checked against the file's size before any data is read, so a damaged file costs neither time nor memory.
 *
 * @throws CheckpointError naming the file and what is wrong with it; also from `read`, when the file was replaced since.
 */
export async function openSafetensors(path: string): Promise<Safetensors<LazySafeTensor>> {
  const fail = checkpointFailure(path);
  const opened = await withFile(path, fail, async (file) => ({
    version: file.version,
    ...(await readHeader(file, fail)),
  }));
  const { metadata, entries, dataStart } = opened;
  const tensors = new Map<string, LazySafeTensor>();
  for (const { name, dtype, shape, begin, end } of entries) {
    const width = bytesPerElement(TYPES[dtype]);
    const size = (end - begin) / width;
    const read = (first = 0, count = size - first) =>
      withFile(path, fail, async (file) => {
        if (first < 0 || count < 0 || first + count > size)
          throw new RangeError(`Tensor "${name}" has ${size} elements, not ${first} to ${first + count}.`);
        if (file.version !== opened.version) fail('it was replaced while it was in use');
        const bytes = await readRange(file, dataStart + begin + first * width, count * width, fail);
        return arrayOver(TYPES[dtype], bytes.buffer);
      });
    tensors.set(name, { dtype, shape, read } as LazySafeTensor);
  }
  return { metadata, tensors };
}

async function readHeader(file: OpenFile, fail: Fail) {
  const { size } = file;
  if (size < 10) fail(`it is not a safetensors file (${size} bytes)`);
  const prefix = await readRange(file, 0, 8, fail);
  const length = Number(new DataView(prefix.buffer).getBigUint64(0, true));
  if (length > MAX_HEADER) fail(`it is not a safetensors file (a header of ${length} bytes)`);
  if (8 + length > size) fail(`the file is truncated: a header of ${length} bytes in a file of ${size}`);
  const header = parseHeader(await readRange(file, 8, length, fail), fail);
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

const byteLength = (dtype: SafetensorDtype, shape: readonly number[]): number =>
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

/**
 * Writes tensors and text metadata; the file appears under `path` only when it is complete. Lazy tensors are read one
 * after the other, 64 MiB at a time.
 *
 * @throws OutputError when it cannot be written; RangeError when a shape does not fit its data.
 */
export async function writeSafetensors(
  path: string,
  metadata: Readonly<Record<string, string>>,
  tensors: Iterable<readonly [string, SafeTensor | LazySafeTensor]>,
): Promise<void> {
  const width = ({ dtype }: { dtype: SafetensorDtype }): number => bytesPerElement(TYPES[dtype]);
  const stored = [...tensors].sort(([, a], [, b]) => width(b) - width(a));
  const header: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) header.push(['__metadata__', metadata]);
  let offset = 0;
  for (const [name, tensor] of stored) {
    const { dtype, shape } = tensor;
    if ('data' in tensor) checkData(name, tensor, tensor.data, byteLength(dtype, shape));
    header.push([name, { dtype, shape, data_offsets: [offset, (offset += byteLength(dtype, shape))] }]);
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const start = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(start.buffer).setBigUint64(0, BigInt(start.length - 8), true);
  start.set(json, 8);
  await writeFileAtomic(path, content(start, stored));
}

async function* content(
  start: Uint8Array,
  tensors: readonly (readonly [string, SafeTensor | LazySafeTensor])[],
): AsyncIterable<Uint8Array> {
  yield start;
  for (const [name, tensor] of tensors) {
    if ('data' in tensor) {
      yield bytesOf(tensor.data);
      continue;
    }
    const width = bytesPerElement(TYPES[tensor.dtype]);
    const size = byteLength(tensor.dtype, tensor.shape) / width;
    for (let first = 0; first < size; first += WRITE_PIECE / width) {
      const count = Math.min(WRITE_PIECE / width, size - first);
      const data = await tensor.read(first, count);
      checkData(name, tensor, data, count * width);
      yield bytesOf(data);
    }
  }
}

function checkData(
  name: string,
  { dtype, shape }: SafeTensor | LazySafeTensor,
  data: SafeTensor['data'],
  bytes: number,
) {
  if (data.byteLength !== bytes || !isArrayOf(TYPES[dtype], data))
    throw new RangeError(`Tensor "${name}" of ${dtype} [${shape}] does not fit its ${data.byteLength} bytes of data.`);
}
