/** Binary files, whole or by range. */
import { type FileHandle, open } from 'node:fs/promises';
import { reasonOf } from '../errors.ts';
import type { ByteSource, Fail } from './bytes.ts';

/** Longest single read: file systems refuse more than 2 GiB at once. */
const READ_CHUNK = 2 ** 30;

/** An open file. */
export interface OpenFile {
  readonly handle: FileHandle;
  readonly size: number;
  /** What changes when another file takes its place. */
  readonly version: string;
}

/** Opens a regular file for the time of `use`. */
export async function withFile<T>(path: string, fail: Fail, use: (file: OpenFile) => Promise<T>): Promise<T> {
  const handle = await open(path, 'r').catch((error: unknown) => fail(reasonOf(error), error));
  try {
    const status = await handle.stat();
    if (!status.isFile()) fail('it is not a file');
    const { dev, ino, size, mtimeMs } = status;
    return await use({ handle, size, version: `${dev}:${ino}:${size}:${mtimeMs}` });
  } finally {
    await handle.close();
  }
}

/** The bytes [position, position + length) of an open file. */
export async function readRange(
  { handle }: OpenFile,
  position: number,
  length: number,
  fail: Fail,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const wanted = Math.min(length - done, READ_CHUNK);
    const { bytesRead } = await handle
      .read(bytes, done, wanted, position + done)
      .catch((error: unknown) => fail(reasonOf(error), error));
    if (bytesRead === 0) fail(`the file is truncated at byte ${position + done}`);
    done += bytesRead;
  }
  return bytes;
}

/** A whole file of at most `limit` bytes. */
export const readWhole = (path: string, limit: number, fail: Fail): Promise<Uint8Array<ArrayBuffer>> =>
  withFile(path, fail, (file) => {
    if (file.size > limit) fail(`it has ${file.size} bytes; at most ${limit} can be read`);
    return readRange(file, 0, file.size, fail);
  });

/** A file as a source of bytes, opened for each read. It must stay the same file. */
export const fileSource = (path: string, fail: Fail): Promise<ByteSource> =>
  withFile(path, fail, async ({ size, version }) => ({
    size,
    read: (position, length) =>
      withFile(path, fail, async (file) => {
        if (file.version !== version) fail('it was replaced while it was in use');
        return readRange(file, position, length, fail);
      }),
  }));
