/** Archives to folders: .tar, .tar.gz and .zip. Nothing is written outside the folder, whatever the archive holds. */
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, posix, resolve, sep } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import * as tar from 'tar';
import * as yauzl from 'yauzl';
import { DataError, reasonOf } from '../errors.ts';
import { freeBytes, requireSpace, spaceError } from './disk-space.ts';

export interface Extraction {
  /** Only what lies under this folder of the archive is taken, without the folder: "VOCdevkit/VOC2012". */
  readonly from?: string;
  /** Takes the files whose names, below `from`, it accepts. */
  readonly accepts?: (name: string) => boolean;
}

/** The largest published archive has 118 287 files. */
const MAX_ENTRIES = 1_000_000;
const REMEDY = 'Delete it and download it again.';

/**
 * Extracts an archive into `folder`, over what is there. The files appear in the folder only when all of them are out, so
 * an interrupted extraction leaves none that is cut off. Returns how many there were.
 *
 * @throws DataError for a damaged archive, or one with a link or with a path that leads out of the folder;
 *   OutputError when the disk has no room for the content.
 */
export async function extract(archive: string, folder: string, selection: Extraction = {}): Promise<number> {
  await mkdir(folder, { recursive: true });
  const staging = await mkdtemp(join(folder, '.extracting-'));
  try {
    const kind = await kindOf(archive);
    const place = placer(archive, staging, selection);
    const count = await (kind === 'zip' ? extractZip(archive, place) : extractTar(archive, kind, staging, place));
    await moveInto(staging, folder);
    return count;
  } catch (error) {
    if (error instanceof Error && 'remedy' in error) throw error;
    throw new DataError(`Cannot extract ${archive}: ${reasonOf(error)}.`, REMEDY, { cause: error });
  } finally {
    // After a failure files that were begun may still be closing.
    await rm(staging, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }
}

/** By the first bytes: a page of text in place of an archive is the commonest damage. */
async function kindOf(archive: string): Promise<'zip' | 'tar' | 'tgz'> {
  const head = Buffer.alloc(262);
  const file = await open(archive, 'r');
  await file.read(head, 0, head.length, 0).finally(() => file.close());
  if (head.readUInt32BE(0) === 0x504b0304) return 'zip';
  if (head.readUInt16BE(0) === 0x1f8b) return 'tgz';
  if (head.toString('latin1', 257, 262) === 'ustar') return 'tar';
  throw new DataError(
    `${archive} is no archive: it begins with ${JSON.stringify(head.toString('latin1', 0, 20))}.`,
    REMEDY,
  );
}

/** Where an entry goes, or undefined when it is not wanted. @throws DataError for a path that leads out of the folder. */
type Placer = (path: string) => string | undefined;

function placer(archive: string, staging: string, { from = '', accepts = () => true }: Extraction): Placer {
  let entries = 0;
  return (path) => {
    if (++entries > MAX_ENTRIES) throw new DataError(`${archive} has more than ${MAX_ENTRIES} entries.`, REMEDY);
    const target = resolve(staging, path);
    const outside =
      posix.isAbsolute(path) || /^[a-z]:|\\|\0/i.test(path) || !`${target}${sep}`.startsWith(staging + sep);
    if (outside) throw new DataError(`${archive} holds "${path}", which leads out of its folder.`, REMEDY);
    const name = posix.normalize(path).replace(/^\.\//, '');
    if (from !== '' && !name.startsWith(`${from}/`)) return undefined;
    const below = from === '' ? name : name.slice(from.length + 1);
    return accepts(below) ? join(staging, below) : undefined;
  };
}

async function extractTar(archive: string, kind: 'tar' | 'tgz', staging: string, place: Placer): Promise<number> {
  let count = 0;
  let bytes = 0;
  let failure: unknown;
  const free = await freeBytes(staging);
  const entryOf = (path: string, entry: tar.ReadEntry): boolean => {
    if (failure !== undefined) return false;
    try {
      const target = place(path);
      if (target === undefined || entry.type === 'Directory') return false;
      if (entry.type !== 'File' && entry.type !== 'OldFile' && entry.type !== 'ContiguousFile') {
        throw new DataError(`${archive} holds "${path}", which is no file (${entry.type}).`, REMEDY);
      }
      entry.path = target
        .slice(staging.length + 1)
        .split(sep)
        .join('/');
      bytes += entry.size;
      if (bytes > free) throw spaceError(staging, bytes, free, basename(archive));
      count++;
      return true;
    } catch (error) {
      failure = error;
      return false;
    }
  };
  const extractor = tar.x({
    cwd: staging,
    strict: true,
    noChmod: true,
    noMtime: true,
    filter: (path, entry) => entryOf(path, entry as tar.ReadEntry),
  });
  extractor.on('error', () => {}); // after the first one, which the pipeline reports, files in the making may fail too
  // Node's gunzip, unlike the library's, refuses a file that is cut off or whose checksum is wrong.
  const source = createReadStream(archive, { highWaterMark: 2 ** 20 });
  await (kind === 'tgz' ? pipeline(source, createGunzip(), extractor) : pipeline(source, extractor));
  if (failure !== undefined) throw failure;
  if (count === 0) throw new DataError(`${archive} holds none of the files it should.`, REMEDY);
  return count;
}

async function extractZip(archive: string, place: Placer): Promise<number> {
  const zip = await yauzl.openPromise(archive, { strictFileNames: true, autoClose: false });
  try {
    const wanted: { entry: yauzl.Entry; target: string }[] = [];
    for await (const entry of zip.eachEntry()) {
      const target = place(entry.fileName);
      const isLink = ((entry.externalFileAttributes >>> 16) & 0o170000) === 0o120000;
      if (isLink) throw new DataError(`${archive} holds "${entry.fileName}", which is a link.`, REMEDY);
      if (target !== undefined && !entry.fileName.endsWith('/')) wanted.push({ entry, target });
    }
    if (wanted.length === 0) throw new DataError(`${archive} holds none of the files it should.`, REMEDY);
    const bytes = wanted.reduce((sum, { entry }) => sum + entry.uncompressedSize, 0);
    await requireSpace(dirname(archive), bytes, basename(archive));
    for (const { entry, target } of wanted) {
      await mkdir(dirname(target), { recursive: true });
      const content: Readable = await zip.openReadStreamPromise(entry);
      await pipeline(content, createWriteStream(target)).catch((cause: unknown) => {
        throw new Error(`${entry.fileName}: ${reasonOf(cause)}`, { cause });
      });
    }
    return wanted.length;
  } finally {
    zip.close();
  }
}

/** Moves every file of `staging` to its place in `folder`; both are on one disk. */
async function moveInto(staging: string, folder: string): Promise<void> {
  for (const entry of await readdir(staging, { withFileTypes: true })) {
    const [from, to] = [join(staging, entry.name), join(folder, entry.name)];
    const moved = await rename(from, to).then(
      () => true,
      () => false, // a folder that is there already and not empty
    );
    if (moved) continue;
    if (!entry.isDirectory()) throw new DataError(`${to} is in the way.`, 'Move it away.');
    await mkdir(to, { recursive: true });
    await moveInto(from, to);
  }
}
