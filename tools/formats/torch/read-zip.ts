/** The .pth format of PyTorch 1.6 and later: a ZIP archive NAME/data.pkl, NAME/data/KEY, NAME/byteorder. */

import type { Fail } from '../bytes.ts';
import type { OpenFile } from '../file-bytes.ts';
import { bytesPerElement } from '../ndarray.ts';
import type { Reject } from '../pickle/globals.ts';
import { runPickle } from '../pickle/machine.ts';
import { StorageType, TORCH_GLOBALS } from './globals.ts';
import { type TorchFile, TorchStorage } from './tensor.ts';
import { readEntry, readZipEntries, type ZipEntry } from './zip-reader.ts';

/** The structure alone, without any tensor's elements. */
const MAX_PICKLE_BYTES = 2 ** 28;

/** @returns the value, and the length of the pickle that describes it. */
export async function readZip(file: OpenFile, path: string, fail: Fail) {
  const entries = await readZipEntries(file, fail);
  const pickles = [...entries.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickles.length !== 1) fail('it is a ZIP archive, but not one of torch.save (there is no single data.pkl)');
  const root = pickles[0].slice(0, -'data.pkl'.length);
  if (entries.has(`${root}constants.pkl`)) fail('it is a TorchScript program, not a checkpoint');
  const text = async (entry: ZipEntry): Promise<string> =>
    Buffer.from(await readEntry(file, entry, 0, Math.min(entry.size, 16), fail))
      .toString('latin1')
      .trim();
  const order = entries.get(`${root}byteorder`);
  const byteOrder = order ? await text(order) : 'little';
  if (byteOrder !== 'little' && byteOrder !== 'big') fail(`its byte order is "${byteOrder}"`);

  const torchFile: TorchFile = { path, version: file.version, fail, bigEndian: byteOrder === 'big' };
  const storages = new Map<string, TorchStorage>();
  const persistent = (id: unknown, reject: Reject): TorchStorage => {
    const [kind, type, key, , count] = Array.isArray(id) ? (id as unknown[]) : [];
    if (kind !== 'storage' || !(type instanceof StorageType) || typeof key !== 'string') {
      return reject('it refers to something else than a storage');
    }
    const known = storages.get(key);
    if (known) return known.dtype === type.dtype ? known : reject(`storage ${key} has two element types`);
    const entry = entries.get(`${root}data/${key}`) ?? reject(`its storage ${JSON.stringify(key)} is missing`);
    const bytes = Number(count) * (type.dtype ? bytesPerElement(type.dtype) : 1);
    if (bytes !== entry.size) reject(`storage ${key} of ${String(count)} elements has ${entry.size} bytes`);
    const storage = new TorchStorage(torchFile, type.dtype, bytes, () => ({ entry }));
    storages.set(key, storage);
    return storage;
  };
  const pickle = entries.get(pickles[0])!;
  if (pickle.size > MAX_PICKLE_BYTES) fail(`its data.pkl has ${pickle.size} bytes`);
  const bytes = await readEntry(file, pickle, 0, pickle.size, fail);
  const { value } = runPickle(bytes, 0, { globals: TORCH_GLOBALS, persistent }, fail);
  return { value, length: bytes.length };
}
