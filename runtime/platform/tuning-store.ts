import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { AdapterDescription } from '../device.ts';
import type { ReportedError } from '../errors.ts';
import {
  type Environment,
  environmentOf,
  hashText,
  isTunedEntry,
  type TunedEntry,
  TuningFileError,
} from '../tune/entry.ts';
import type { TuningStore } from '../tune/store.ts';
import { cacheFolder } from './software/cache.ts';

const SUFFIX = '.json';

/** Of an adapter that Dawn runs. */
export function openFileStore(adapter: AdapterDescription, warn: (warning: ReportedError) => void): FileStore {
  const { version } = createRequire(import.meta.url)('webgpu/package.json') as { version: string };
  return new FileStore(environmentOf(adapter, `webgpu ${version}`), warn);
}

/**
 * Tuning results in the user's cache folder: `tuning/<driver>-<hash of the environment>/<class>.json`. A file a class, each
 * written whole and renamed: processes that tune at the same time lose nothing, and damage costs one class.
 */
export class FileStore implements TuningStore {
  readonly folder: string;
  readonly environment: Environment;
  readonly #warn: (warning: ReportedError) => void;

  /** @param warn told of files that are damaged or cannot be written; both count as if they were not there. */
  constructor(environment: Environment, warn: (warning: ReportedError) => void, root = cacheFolder()) {
    this.environment = environment;
    this.#warn = warn;
    this.folder = path.join(root, 'tuning', `${environment.driver}-${hashText(JSON.stringify(environment))}`);
  }

  read(key: string): TunedEntry | undefined {
    const file = this.#file(key);
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch {
      return undefined;
    }
    try {
      const { entry } = JSON.parse(text) as { entry: unknown };
      if (isTunedEntry(entry)) return entry;
    } catch {
      // As damaged as what is no entry.
    }
    this.#warn(new TuningFileError(`${file} is damaged and not used.`, 'The next tuning replaces it.'));
    return undefined;
  }

  write(key: string, entry: TunedEntry): void {
    const file = this.#file(key);
    const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`;
    try {
      mkdirSync(this.folder, { recursive: true });
      writeFileSync(temporary, JSON.stringify({ environment: this.environment, entry }, null, 2));
      renameSync(temporary, file);
    } catch (cause) {
      rmSync(temporary, { force: true });
      const message = `The result of tuning cannot be kept: ${(cause as Error).message}.`;
      this.#warn(new TuningFileError(message, 'Set CIM_CACHE to a folder that can be written.', { cause }));
    }
  }

  keys(): string[] {
    try {
      const files = readdirSync(this.folder).filter((file) => file.endsWith(SUFFIX));
      return files.map((file) => file.slice(0, -SUFFIX.length)).sort();
    } catch {
      return [];
    }
  }

  #file(key: string): string {
    return path.join(this.folder, key + SUFFIX);
  }
}
