/** Reads files that grow, and notices when they are begun anew. */
import { type FileHandle, open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type LogFile, type LogNews, STATE_FILES, type StateFile, TRAININGS } from '../wire.ts';

/** Bytes before the place where reading goes on that must be what they were. */
const MEMORY = 256;

/** What a file of JSON lines says that it did not say before. */
export class LineFollower {
  readonly #path: string;
  #inode = 0;
  #offset = 0;
  /** The last bytes before `#offset`. */
  #tail: Buffer = Buffer.alloc(0);
  /** The beginning of a line whose end is not there yet. */
  #partial = Buffer.alloc(0);

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * The new lines, and whether the file was begun anew since the last call: truncated, replaced, written over, removed.
   * Null when nothing happened. A line that is no JSON is left out.
   */
  async read(): Promise<{ readonly restart: boolean; readonly lines: unknown[] } | null> {
    const file = await open(this.#path).catch(() => null);
    if (!file) return this.#forget() ? { restart: true, lines: [] } : null;
    try {
      const { ino, size } = await file.stat();
      const restart = (ino !== this.#inode || size < this.#offset || !(await this.#goesOn(file))) && this.#forget();
      this.#inode = ino;
      const news = await bytesFrom(file, this.#offset, size);
      if (news.length === 0) return restart ? { restart, lines: [] } : null;
      this.#offset += news.length;
      this.#tail = Buffer.from(Buffer.concat([this.#tail, news]).subarray(-MEMORY));
      const text = Buffer.concat([this.#partial, news]);
      const end = text.lastIndexOf(0x0a) + 1;
      this.#partial = Buffer.from(text.subarray(end));
      const lines = parsedLines(text.toString('utf8', 0, end));
      return restart || lines.length > 0 ? { restart, lines } : null;
    } finally {
      await file.close();
    }
  }

  /** Whether what was read last is still in its place. */
  async #goesOn(file: FileHandle): Promise<boolean> {
    const begin = this.#offset - this.#tail.length;
    return (await bytesFrom(file, begin, this.#offset)).equals(this.#tail);
  }

  /** Back to the beginning; false when nothing had been read. */
  #forget(): boolean {
    const had = this.#offset > 0;
    this.#offset = 0;
    this.#tail = this.#partial = Buffer.alloc(0);
    return had;
  }
}

async function bytesFrom(file: FileHandle, begin: number, end: number): Promise<Buffer> {
  const bytes = Buffer.alloc(Math.max(0, end - begin));
  let length = 0;
  while (length < bytes.length) {
    const { bytesRead } = await file.read(bytes, length, bytes.length - length, begin + length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.subarray(0, length);
}

function parsedLines(text: string): unknown[] {
  return text.split('\n').flatMap((line) => {
    if (line === '') return [];
    try {
      return [JSON.parse(line) as unknown];
    } catch {
      return [];
    }
  });
}

/** What a small file of JSON says, whenever it was written anew. */
class StateFollower {
  readonly #path: string;
  #stamp = '';

  constructor(path: string) {
    this.#path = path;
  }

  /** Null when it is as before. */
  async read(): Promise<{ readonly value: unknown } | null> {
    const { ino, size, mtimeMs } = (await stat(this.#path).catch(() => null)) ?? { ino: 0, size: 0, mtimeMs: 0 };
    const stamp = `${ino} ${size} ${mtimeMs}`;
    if (stamp === this.#stamp || (ino === 0 && this.#stamp === '')) return null;
    this.#stamp = stamp;
    try {
      return { value: JSON.parse(await readFile(this.#path, 'utf8')) };
    } catch {
      return { value: null };
    }
  }
}

/** Follows all that a run says about its trainings. */
export class RunFollower {
  readonly #logs: readonly (readonly [LogFile, LineFollower])[];
  readonly #states: readonly (readonly [StateFile, StateFollower])[];

  constructor(folder: string) {
    const logs = TRAININGS.flatMap((kind) => [`${kind}.log.jsonl`, `${kind}.monitor.jsonl`] as const);
    this.#logs = logs.map((file) => [file, new LineFollower(join(folder, file))]);
    this.#states = STATE_FILES.map((file) => [file, new StateFollower(join(folder, file))]);
  }

  async read(): Promise<LogNews[]> {
    const news: LogNews[] = [];
    for (const [file, follower] of this.#states) {
      const found = await follower.read();
      if (found) news.push({ file, ...found });
    }
    for (const [file, follower] of this.#logs) {
      const found = await follower.read();
      if (found) news.push({ file, ...found });
    }
    return news;
  }
}

/** All that a run has said so far. */
export const trainingLogs = (folder: string): Promise<LogNews[]> => new RunFollower(folder).read();
