/**
 * The .pth format before PyTorch 1.6: five pickles (magic number, protocol, system, value, storage keys), then for every
 * key an int64 count and the elements.
 */
import { CheckpointError } from '../../errors.ts';
import type { Fail } from '../bytes.ts';
import { type OpenFile, readRange } from '../file-bytes.ts';
import { bytesPerElement, type DType, isCount } from '../ndarray.ts';
import type { Reject } from '../pickle/globals.ts';
import { runPickle } from '../pickle/machine.ts';
import { StorageType, TORCH_GLOBALS } from './globals.ts';
import { type TorchFile, TorchStorage } from './tensor.ts';

/** torch.serialization.MAGIC_NUMBER. */
const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;
/** The pickles come first; most files have them in this much. */
const FIRST_READ = 2 ** 20;
/** The structure alone, without any tensor's elements. */
const MAX_PICKLE_BYTES = 2 ** 28;

interface Head {
  readonly value: unknown;
  readonly keys: readonly unknown[];
  readonly bigEndian: boolean;
  readonly storages: ReadonlyMap<string, RawStorage>;
  /** Bytes of all pickles. */
  readonly end: number;
}
interface RawStorage {
  readonly dtype: DType;
  readonly count: number;
  position: number;
}

/** @returns the value, and the length of the pickles that describe it. */
export async function readLegacy(file: OpenFile, path: string, fail: Fail) {
  const { size } = file;
  const head = await readHead(file, path, fail);
  let position = head.end;
  for (const key of head.keys) {
    const storage = head.storages.get(String(key)) ?? fail(`it has a storage ${String(key)} that no tensor uses`);
    const count = new DataView((await readRange(file, position, 8, fail)).buffer).getBigInt64(0, !head.bigEndian);
    if (count !== BigInt(storage.count)) fail(`storage ${String(key)} has ${count} elements, not ${storage.count}`);
    storage.position = position + 8;
    position += 8 + storage.count * bytesPerElement(storage.dtype);
    if (position > size) fail(`the file is truncated: storage ${String(key)} ends at byte ${position} of ${size}`);
  }
  for (const [key, { position: found }] of head.storages) if (found < 0) fail(`its storage ${key} is missing`);
  return { value: head.value, length: head.end };
}

/** Reads more and more of the file until the pickles are whole. */
async function readHead(file: OpenFile, path: string, fail: Fail): Promise<Head> {
  const { size } = file;
  for (let length = Math.min(size, FIRST_READ); ; length = Math.min(size, 4 * length)) {
    const bytes = await readRange(file, 0, length, fail);
    const whole = length === size || length >= MAX_PICKLE_BYTES;
    let truncated = false;
    const failWhereWhole: Fail = (problem, cause) => {
      truncated = problem.startsWith('the pickle is truncated');
      return fail(problem, cause);
    };
    try {
      return parseHead(bytes, file, path, failWhereWhole);
    } catch (error) {
      if (whole || !truncated || !(error instanceof CheckpointError)) throw error;
    }
  }
}

function parseHead(bytes: Uint8Array, { size, version }: OpenFile, path: string, fail: Fail): Head {
  const storages = new Map<string, RawStorage>();
  let position = 0;
  let bigEndian = false;
  const next = (persistent?: (id: unknown, reject: Reject) => unknown): unknown => {
    const { value, end } = runPickle(bytes, position, { globals: TORCH_GLOBALS, persistent }, fail);
    position = end;
    return value;
  };
  if (next() !== MAGIC) fail('it is not a file of torch.save');
  const protocol = next();
  if (protocol !== PROTOCOL) fail(`it is a torch file of protocol ${String(protocol)}; ${PROTOCOL} is known`);
  const system = next();
  if (system instanceof Map) bigEndian = system.get('little_endian') === false;
  const torchFile: TorchFile = { path, version, fail, bigEndian };

  const value = next((id, reject) => {
    const [kind, type, key, , count, view] = Array.isArray(id) ? (id as unknown[]) : [];
    if (kind === 'module') return reject('it holds a whole module with its source, not a state dict');
    const dtype = type instanceof StorageType ? type.dtype : null;
    if (kind !== 'storage' || !dtype || typeof key !== 'string' || !isCount(count)) {
      return reject('it refers to something else than a storage');
    }
    const width = bytesPerElement(dtype);
    if (count * width > size) reject(`storage ${key} of ${count} elements is larger than the file`);
    const known = storages.get(key);
    if (known && (known.dtype !== dtype || known.count !== count)) reject(`storage ${key} is described in two ways`);
    const storage = known ?? { dtype, count, position: -1 };
    storages.set(key, storage);
    // Files of PyTorch 0.x have views of storages: (key, offset, elements).
    const [, offset, elements] = Array.isArray(view) ? (view as unknown[]) : [null, 0, count];
    if (!isCount(offset) || !isCount(elements) || offset + elements > count) {
      return reject(`a view of storage ${key} reaches beyond it`);
    }
    return new TorchStorage(torchFile, dtype, elements * width, () => ({
      position: storage.position + offset * width,
    }));
  });
  const keys = next();
  if (!Array.isArray(keys)) return fail('its list of storages is missing');
  if (new Set(keys).size !== keys.length) fail('its list of storages names one twice');
  return { value, keys: keys as unknown[], bigEndian, storages, end: position };
}
