/** Files that are either the old one or the whole new one, whatever happens while they are written. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { OutputError, reasonOf } from '../errors.ts';

export type FileContent = string | Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Writes `content` under a temporary name in the same folder (made if missing), flushes it to the disk, then renames it
 * to `path`. On failure the temporary file is removed and an existing `path` stays as it was.
 *
 * @throws OutputError when the disk is full or the folder cannot be written to; what `content` throws, unchanged.
 */
export async function writeFileAtomic(path: string, content: FileContent): Promise<void> {
  const target = resolve(path);
  const folder = dirname(target);
  const temporary = join(folder, `.${basename(target)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await mkdir(folder, { recursive: true });
    const file = await open(temporary, 'wx');
    try {
      await writeFile(file, content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {}); // the first failure is the one to report
    // Without a code it is not the file system's: what should have been written could not be made.
    if (!(error instanceof Error && 'code' in error)) throw error;
    throw new OutputError(
      `Cannot write ${target}: ${reasonOf(error)}.`,
      'Free space or choose another output folder, then run the command again.',
      { cause: error },
    );
  }
  await syncFolder(folder);
}

/** Makes the rename itself survive a power cut; file systems that cannot flush a folder do without. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    await handle.sync().finally(() => handle.close());
  } catch {
    // The file is complete and in place: nothing to report.
  }
}
