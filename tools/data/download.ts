/** Downloads that survive cut connections, restarts of the program and servers that answer in unexpected ways. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { DownloadError, OutputError, reasonOf } from '../errors.ts';
import { writeFileAtomic } from '../formats/atomic.ts';
import { requireSpace } from './disk-space.ts';

/** What a checksum is of: `sha256` may be the first digits alone, as in PyTorch's file names. */
export interface Checksum {
  readonly algorithm: 'md5' | 'sha256';
  readonly digest: string;
}

export interface DownloadRequest {
  readonly url: string;
  /** Where the file goes. While it is incomplete it is `<file>.part`, beside `<file>.part.json` that says of what. */
  readonly file: string;
  /** Bytes the file must have. */
  readonly bytes?: number;
  readonly checksum?: Checksum;
  /** Bytes that will be needed beside the file, for its content. */
  readonly reserve?: number;
}

export interface DownloadOptions {
  /** Failures in a row, without {@link PROGRESS} bytes between them, after which it is given up. */
  readonly attempts?: number;
  /** Milliseconds before the first retry; doubled for each further one. */
  readonly backoff?: number;
  /** Milliseconds without a byte after which a connection counts as cut. */
  readonly stall?: number;
  /** Told how many bytes there are of how many, if that is known. */
  readonly onProgress?: (bytes: number, total: number | undefined) => void;
  /** Told why an attempt failed. */
  readonly onRetry?: (problem: string) => void;
}

/** Bytes after which a failure counts as the first again. */
const PROGRESS = 2 ** 16;
const LONGEST_WAIT = 60_000;

/** A failure that another attempt may not meet. */
class Interruption extends Error {
  /** Milliseconds that the server asks for. */
  readonly wait: number | undefined;
  constructor(message: string, wait?: number) {
    super(message);
    this.wait = wait;
  }
}

/** What a part is of: with it another run knows whether it may go on. */
interface PartState {
  readonly url: string;
  /** ETag or Last-Modified. */
  readonly version: string | null;
  readonly total: number | null;
}

/**
 * Downloads `url` to `file`, going on where an earlier attempt was cut off (HTTP Range, if the server still holds the same
 * version), and checks size and checksum before the file gets its name.
 *
 * @throws DownloadError when the server refuses, or holds another file than expected, or too many attempts failed;
 *   OutputError when the disk has no room.
 */
export async function download(request: DownloadRequest, options: DownloadOptions = {}): Promise<void> {
  const { url, file } = request;
  const { attempts = 6, backoff = 1000, onRetry } = options;
  await mkdir(dirname(file), { recursive: true });
  let failures = 0;
  let mark = await partSize(file);
  for (let again = false; ; ) {
    try {
      await attempt(request, options);
      const problem = await contentProblem(request);
      if (problem === undefined) break;
      await discard(file);
      // A part of an older version may have been continued: once from the start, then the server's file itself is wrong.
      if (again) throw new DownloadError(`${url} is not the published file: ${problem}.`, REMEDY);
      again = true;
      onRetry?.(problem);
    } catch (error) {
      if (!(error instanceof Interruption)) throw error;
      const size = await partSize(file);
      failures = size >= mark + PROGRESS ? 1 : failures + 1;
      mark = size;
      if (failures >= attempts) {
        throw new DownloadError(
          `Cannot download ${url}: ${error.message}. ${size} bytes of it are in ${file}.part.`,
          'Run the command again to go on where it stopped, or give another server with --mirror.',
          { cause: error },
        );
      }
      onRetry?.(error.message);
      await sleep(Math.min(error.wait ?? backoff * 2 ** (failures - 1), LONGEST_WAIT));
    }
  }
  await rename(`${file}.part`, file);
  await rm(`${file}.part.json`, { force: true });
}

const REMEDY = 'Give a server that holds the published file with --mirror, or fetch it by hand.';

/** One connection: appends to the part what the server sends. */
async function attempt(request: DownloadRequest, { stall = 60_000, onProgress }: DownloadOptions): Promise<void> {
  const { url, file, bytes, checksum, reserve = 0 } = request;
  const state = await readState(request);
  let offset = state ? await partSize(file) : 0;
  if (state?.total !== null && state?.total === offset && offset > 0) return;

  const abort = new AbortController();
  let timer = setTimeout(() => abort.abort(), stall);
  try {
    const headers: Record<string, string> = { 'accept-encoding': 'identity' };
    // Without a version to name, only a checksum can tell whether the rest is of the same file.
    if (!state?.version && !checksum) offset = 0;
    if (offset > 0) headers.range = `bytes=${offset}-`;
    if (offset > 0 && state?.version) headers['if-range'] = state.version;
    const response = await fetch(url, { headers, signal: abort.signal });
    const total = totalOf(response, offset);
    if (response.status === 200) offset = 0;
    else if (response.status !== 206) await refuse(response, request);
    if (bytes !== undefined && total !== undefined && total !== bytes) {
      await discard(file);
      throw new DownloadError(`${url} has ${total} bytes; the published file has ${bytes}.`, REMEDY);
    }
    await requireSpace(dirname(file), (total ?? bytes ?? 0) - offset + reserve, basename(file));
    const version = versionOf(response);
    if (offset > 0 && (version !== state?.version || (total ?? null) !== state.total)) {
      await discard(file);
      throw new Interruption('the file on the server is another one now');
    }
    await writeFileAtomic(`${file}.part.json`, JSON.stringify({ url, version, total: total ?? null }));
    const limit = total ?? bytes ?? Infinity;

    const part = await open(`${file}.part`, offset > 0 ? 'r+' : 'w');
    try {
      let position = offset;
      for await (const chunk of response.body ?? []) {
        clearTimeout(timer);
        timer = setTimeout(() => abort.abort(), stall);
        await part.write(chunk, 0, chunk.length, position);
        position += chunk.length;
        onProgress?.(position, total);
        if (position > limit) throw new DownloadError(`${url} sends more than ${limit} bytes.`, REMEDY);
      }
      if (total !== undefined && position < total)
        throw new Interruption(`it ended after ${position} bytes of ${total}`);
      await part.sync();
    } finally {
      await part.close();
    }
  } catch (error) {
    if (error instanceof Interruption || error instanceof DownloadError || error instanceof OutputError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') {
      throw new OutputError(
        `Cannot write ${file}.part: ${reasonOf(error)}.`,
        'Free space, then run the command again.',
      );
    }
    if (abort.signal.aborted) throw new Interruption(`nothing came for ${stall / 1000} s`);
    const cause = (error as Error).cause;
    throw new Interruption(reasonOf(cause instanceof Error ? cause : error));
  } finally {
    clearTimeout(timer);
    abort.abort(); // a refused response need not be read to its end
  }
}

/** What tells one version of the file from another. A weak ETag does not promise equal bytes. */
function versionOf({ headers }: Response): string | null {
  const version = headers.get('etag') ?? headers.get('last-modified');
  return version?.startsWith('W/') ? null : version;
}

/** Bytes of the whole file, as far as the response tells. @throws Interruption when it is another range than asked for. */
function totalOf({ status, headers }: Response, offset: number): number | undefined {
  const length = headers.get('content-length');
  if (status === 200) return length === null ? undefined : Number(length);
  if (status !== 206) return undefined;
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
  if (!range || Number(range[1]) !== offset) {
    throw new Interruption(`it sends the range "${headers.get('content-range')}" instead of bytes ${offset}-`);
  }
  return range[2] === '*' ? undefined : Number(range[2]);
}

/** Any answer but 200 and 206. */
async function refuse({ status, headers }: Response, { url, file }: DownloadRequest): Promise<never> {
  if (status === 416) {
    await discard(file);
    throw new Interruption('the part is longer than the file');
  }
  if (status === 408 || status === 429 || status >= 500) {
    const seconds = Number(headers.get('retry-after') ?? Number.NaN);
    throw new Interruption(`the server answers ${status}`, Number.isFinite(seconds) ? seconds * 1000 : undefined);
  }
  throw new DownloadError(`Cannot download ${url}: the server answers ${status}.`, REMEDY);
}

/** The part's state if it is of this request, else undefined. */
async function readState({ url, file }: DownloadRequest): Promise<PartState | undefined> {
  try {
    const state = JSON.parse(await readFile(`${file}.part.json`, 'utf8')) as PartState;
    return state.url === url ? state : undefined;
  } catch {
    return undefined; // without it the part is begun anew
  }
}

const partSize = (file: string): Promise<number> =>
  stat(`${file}.part`).then(
    ({ size }) => size,
    () => 0,
  );

async function discard(file: string): Promise<void> {
  await rm(`${file}.part`, { force: true });
  await rm(`${file}.part.json`, { force: true });
}

/** What is wrong with the complete part, as the middle of a sentence. */
async function contentProblem({ file, bytes, checksum }: DownloadRequest): Promise<string | undefined> {
  const size = await partSize(file);
  if (bytes !== undefined && size !== bytes) return `it has ${size} bytes instead of ${bytes}`;
  if (!checksum) return undefined;
  const digest = await digestOf(`${file}.part`, checksum.algorithm);
  return digest.startsWith(checksum.digest)
    ? undefined
    : `its ${checksum.algorithm} is ${digest} instead of ${checksum.digest}`;
}

async function digestOf(file: string, algorithm: Checksum['algorithm']): Promise<string> {
  const hash = createHash(algorithm);
  await pipeline(createReadStream(file, { highWaterMark: 2 ** 20 }), hash);
  return hash.digest('hex');
}
