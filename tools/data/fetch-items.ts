/** Fetches what is missing and can be fetched. */
import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Progress } from '../cli/progress.ts';
import type { Reporter } from '../pipeline/context.ts';
import { type Checksum, download } from './download.ts';
import { extract } from './extract.ts';
import type { Item } from './items.ts';
import type { RemoteFile } from './sources.ts';

export interface FetchOptions {
  /** The folder on another server that holds files of the same names. */
  readonly mirror?: string;
  /** By file name, in place of the published ones. */
  readonly checksums: ReadonlyMap<string, Checksum>;
}

const MEBIBYTE = 2 ** 20;
/** The name of a file in its URL. */
const remoteName = ({ url }: RemoteFile): string => basename(new URL(url).pathname);

/**
 * Downloads the files of some items below `root`, each file once, and extracts archives, which are then deleted.
 *
 * @throws DownloadError, DataError for a damaged archive, OutputError.
 */
export async function fetchItems(
  root: string,
  items: readonly Item[],
  { mirror, checksums }: FetchOptions,
  report: Reporter,
): Promise<void> {
  const remotes = new Map(items.flatMap(({ remote }) => (remote ? [[remoteName(remote.file), remote] as const] : [])));
  for (const [name, { file: remote, into }] of remotes) {
    const { url, bytes, extraction, unpacked = 0 } = remote;
    const folder = join(root, into);
    const target = extraction ? join(root, 'downloads', name) : join(folder, name);
    let bar: Progress | undefined;
    let shown = 0;
    const request = {
      url: mirror === undefined ? url : `${mirror.replace(/\/$/, '')}/${name}`,
      file: target,
      // Who gives a checksum means another file than the published one.
      bytes: checksums.has(name) ? undefined : bytes,
      checksum: checksums.get(name) ?? remote.checksum,
      reserve: unpacked,
    };
    await download(request, {
      onProgress: (done, total = bytes ?? 0) => {
        bar ??= report.progress(`${name} (MiB)`, Math.ceil(total / MEBIBYTE));
        const now = Math.floor(done / MEBIBYTE);
        if (now > shown) bar.advance(now - shown);
        shown = Math.max(shown, now);
      },
      onRetry: (problem) => report.info(`${name}: ${problem}; trying again.`),
    }).finally(() => bar?.stop());
    if (!extraction) continue;
    report.info(`Extracting ${name} …`);
    const count = await extract(target, folder, extraction);
    report.info(`${count} files in ${folder}.`);
    await rm(target);
  }
}
