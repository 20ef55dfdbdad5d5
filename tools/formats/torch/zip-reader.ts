/** Entries of a ZIP archive, checked before any of them is read. */
import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';
import { type Entry, fromRandomAccessReaderPromise, RandomAccessReader } from 'yauzl';
import { reasonOf } from '../../errors.ts';
import type { Fail } from '../bytes.ts';
import { type OpenFile, readRange } from '../file-bytes.ts';

export interface ZipEntry {
  readonly name: string;
  /** First byte of the content in the archive. */
  readonly position: number;
  /** Bytes in the archive. */
  readonly stored: number;
  /** Bytes of the content. */
  readonly size: number;
  readonly deflated: boolean;
}

/** PyTorch stores entries as they are; a re-packed checkpoint shrinks by little. More than this is a bomb. */
const MAX_EXPANSION = 8;
const FREE_EXPANSION = 2 ** 26;
/** Two per parameter of the largest networks, many times over. */
const MAX_ENTRIES = 1_000_000;

const TRUNCATED = 'the file is truncated';

/** Gives yauzl bounded reads: a position outside of the file is an error, not an exception in a callback. */
class HandleReader extends RandomAccessReader {
  readonly #file: OpenFile;
  constructor(file: OpenFile) {
    super();
    this.#file = file;
  }
  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null, bytesRead?: number) => void,
  ): void {
    const { handle, size } = this.#file;
    const within = position + length <= size;
    const read = within ? handle.read(buffer, offset, length, position) : Promise.reject(new Error(TRUNCATED));
    read.then(
      ({ bytesRead }) => callback(null, bytesRead),
      (error: Error) => callback(error),
    );
  }
}

/** The entries of an archive by name. Archives that leave their folder, overlap, repeat names or expand are refused. */
export async function readZipEntries(file: OpenFile, fail: Fail): Promise<Map<string, ZipEntry>> {
  const entries: ZipEntry[] = [];
  try {
    const options = { autoClose: false, strictFileNames: true };
    const zip = await fromRandomAccessReaderPromise(new HandleReader(file), file.size, options);
    for await (const entry of zip.eachEntry()) {
      entries.push(await locate(entry));
      if (entries.length > MAX_ENTRIES) fail(`the archive has more than ${MAX_ENTRIES} entries`);
    }
    async function locate(entry: Entry): Promise<ZipEntry> {
      const { fileName: name, compressedSize: stored, uncompressedSize, compressionMethod: method } = entry;
      if (entry.isEncrypted()) fail(`"${name}" in it is encrypted`);
      if (method !== STORED && method !== DEFLATED) fail(`"${name}" in it is compressed by method ${method}`);
      const { fileDataStart: position } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
      return { name, position, stored, size: uncompressedSize, deflated: method === DEFLATED };
    }
  } catch (error) {
    fail(reasonOf(error), error);
  }
  check(entries, file.size, fail);
  return new Map(entries.map((entry) => [entry.name, entry]));
}

const STORED = 0;
const DEFLATED = 8;

function check(entries: readonly ZipEntry[], fileSize: number, fail: Fail): void {
  let end = 0;
  let total = 0;
  const names = new Set<string>();
  for (const { name, position, stored, size } of entries.toSorted((a, b) => a.position - b.position)) {
    if (names.has(name)) fail(`"${name}" is in it twice`);
    names.add(name);
    if (stored > 0 && position < end) fail(`"${name}" in it overlaps another entry`);
    end = Math.max(end, position + stored);
    total += size;
  }
  if (total > MAX_EXPANSION * fileSize + FREE_EXPANSION) {
    fail(`its ${fileSize} bytes claim to unpack to ${total}`);
  }
}

/** Bytes [begin, begin + length) of an entry's content. */
export async function readEntry(
  file: OpenFile,
  entry: ZipEntry,
  begin: number,
  length: number,
  fail: Fail,
): Promise<Uint8Array<ArrayBuffer>> {
  if (!entry.deflated) return readRange(file, entry.position + begin, length, fail);
  const packed = await readRange(file, entry.position, entry.stored, fail);
  const content = await inflate(packed, { maxOutputLength: Math.max(1, entry.size) }).catch((error: unknown) =>
    fail(`"${entry.name}" in it is damaged (${reasonOf(error)})`, error),
  );
  if (content.length !== entry.size)
    fail(`"${entry.name}" in it unpacks to ${content.length} bytes, not ${entry.size}`);
  return new Uint8Array(content.subarray(begin, begin + length));
}

const inflate = promisify(inflateRaw);
