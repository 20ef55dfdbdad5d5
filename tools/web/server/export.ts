/** The app as a folder of plain files. */
import { createReadStream } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ConfigError, OutputError, reasonOf } from '../../errors.ts';
import { writeFileAtomic } from '../../formats/atomic.ts';
import type { Reporter } from '../../pipeline/context.ts';
import type { Resources } from './resources.ts';

/**
 * Writes everything that is served to a folder, each at its address, so that any web server of plain files shows the same.
 *
 * @throws ConfigError when the folder holds something else; OutputError when it cannot be written to; DataError as
 *   {@link Resources.get}.
 */
export async function exportApp(
  resources: Resources,
  folder: string,
  report: Pick<Reporter, 'progress'>,
): Promise<{ readonly files: number; readonly bytes: number }> {
  const root = resolve(folder);
  await requireOwn(root);
  const addresses: string[][] = [];
  for await (const address of resources.addresses()) addresses.push(address);
  const bar = report.progress('Export', addresses.length);
  let bytes = 0;
  let files = 0;
  try {
    for (const address of addresses) {
      const found = await resources.get(address);
      if (found) {
        const written = await write(
          join(root, ...address),
          'file' in found ? createReadStream(found.file) : found.body,
        );
        bytes += written;
        files++;
      }
      bar.advance();
    }
  } finally {
    bar.stop();
  }
  return { files, bytes };
}

/** Nothing of the user's shall be mixed with or replaced by the app's files. */
async function requireOwn(root: string): Promise<void> {
  try {
    await mkdir(root, { recursive: true });
  } catch (cause) {
    throw new OutputError(`Cannot write to ${root}: ${reasonOf(cause)}.`, 'Choose another folder.', { cause });
  }
  const names = await readdir(root);
  if (names.length === 0 || (names.includes('index.html') && names.includes('assets'))) return;
  throw new ConfigError(`${root} holds other files.`, 'Choose an empty folder, or one of an earlier export.');
}

/** Returns the number of bytes. */
async function write(path: string, content: string | Uint8Array | AsyncIterable<Uint8Array>): Promise<number> {
  if (typeof content === 'string' || content instanceof Uint8Array) {
    await writeFileAtomic(path, content);
    return Buffer.byteLength(content);
  }
  let bytes = 0;
  await writeFileAtomic(
    path,
    (async function* () {
      for await (const piece of content) {
        bytes += piece.length;
        yield piece;
      }
    })(),
  );
  return bytes;
}
