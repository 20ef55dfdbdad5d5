/** The folders that are served, and nothing else of the disk. */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { readFile, realpath, stat } from 'node:fs/promises';
import { basename, join, resolve, sep } from 'node:path';
import { annotationFile } from '../../datasets/open.ts';
import { ConfigError } from '../../errors.ts';
import type { RunSummary } from '../../pipeline/summary.ts';
import { FILES, type SourceInfo, TRAININGS } from '../wire.ts';

/** One of them. */
export interface Source {
  readonly key: string;
  readonly kind: SourceInfo['kind'];
  /** As it was named. */
  readonly name: string;
  /** Absolute, without symbolic links. */
  readonly folder: string;
}

/** What a run leaves that a data set does not have. */
const MARKS = ['recipe.json', ...TRAININGS.map((kind) => `${kind}.log.jsonl`)];
const SPLITS = ['train', 'val', 'test'];

/** @throws ConfigError when one is no folder, or neither a run nor a data set. */
export function openSources(names: readonly string[]): Source[] {
  const keys = new Set<string>();
  return names.map((name) => {
    const status = statSync(name, { throwIfNoEntry: false });
    if (!status?.isDirectory()) {
      throw new ConfigError(
        `"${name}" is ${status ? 'not a folder' : 'not there'}.`,
        'Name folders of runs, as runs/demo, or of data sets.',
      );
    }
    const folder = realpathSync(name);
    const isRun = MARKS.some((file) => existsSync(join(folder, file)));
    if (!isRun && splitsOf(folder).length === 0) {
      throw new ConfigError(
        `"${name}" is neither the folder of a run nor a data set.`,
        `A run holds ${MARKS[0]}; a data set annotations/train.json or val.json.`,
      );
    }
    const base = basename(folder).replace(/[^\w.-]+/g, '-') || 'folder';
    let key = base;
    for (let n = 2; keys.has(key); n++) key = `${base}-${n}`;
    keys.add(key);
    return { key, kind: isRun ? 'run' : 'data', name, folder };
  });
}

/** The splits that a data set's folder has annotations of. */
export function splitsOf(folder: string): string[] {
  return SPLITS.filter((split) => {
    try {
      return annotationFile(folder, split) !== undefined;
    } catch {
      return false;
    }
  });
}

/**
 * The folder of a source's images: its own; of a run `data` in it, or the one among the served folders that it was made
 * from, which a run says when it is done, and which is clear where only one was named.
 */
export async function dataFolder(source: Source, sources: readonly Source[]): Promise<string | null> {
  if (source.kind === 'data') return source.folder;
  const own = await realpath(join(source.folder, 'data')).catch(() => null);
  const folders = sources.map(({ folder }) => folder);
  if (own !== null && isInside(folders, own) && splitsOf(own).length > 0) return own;
  const named = sources.filter(({ kind }) => kind === 'data');
  const made = await dataOfSummary(source);
  if (made === undefined) return named.length === 1 ? named[0].folder : null;
  return named.find(({ folder }) => folder === made)?.folder ?? null;
}

/** Where the data of a finished run are, or were. */
async function dataOfSummary({ folder }: Source): Promise<string | undefined> {
  try {
    const { data } = JSON.parse(await readFile(join(folder, 'summary.json'), 'utf8')) as RunSummary;
    return await realpath(data.folder).catch(() => resolve(data.folder));
  } catch {
    return undefined;
  }
}

export async function describeSource(source: Source, sources: readonly Source[]): Promise<SourceInfo> {
  const { key, kind, name, folder } = source;
  const data = await dataFolder(source, sources);
  const splits = data === null ? [] : splitsOf(data);
  const made = data === null ? await dataOfSummary(source) : undefined;
  const isFile = (file: string): boolean => statSync(join(folder, file), { throwIfNoEntry: false })?.isFile() ?? false;
  return {
    key,
    kind,
    folder: name,
    splits,
    ...(splits.length > 0
      ? {}
      : {
          problem: `The images of ${name} are not among the served folders. Name ${made ? `${made}, its data set,` : 'its data set'} too: cim serve ${name} ${made ?? 'DATA'}.`,
        }),
    files: FILES.filter(isFile),
    trainings: TRAININGS.filter((training) => isFile(`${training}.log.jsonl`)),
  };
}

/**
 * The file at `path` when it lies in one of the folders, whatever symbolic links are on the way; null when it does not,
 * is no file or is not there.
 */
export async function fileInside(folders: readonly string[], path: string): Promise<string | null> {
  if (path.includes('\0')) return null;
  try {
    const real = await realpath(path);
    return isInside(folders, real) && (await stat(real)).isFile() ? real : null;
  } catch {
    return null;
  }
}

/** Whether a path without symbolic links is one of the folders, or in one. */
const isInside = (folders: readonly string[], path: string): boolean =>
  folders.some((folder) => path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep));

/**
 * The file of a source that an address names by the words after `files/KEY`, decoded. Hidden files are none: what is
 * being written has such a name.
 */
export function servedFile({ folder }: Source, words: readonly string[]): Promise<string | null> {
  const plain = words.every((word) => word !== '' && !word.startsWith('.') && !/[/\\:\0]/.test(word));
  return plain && words.length > 0 ? fileInside([folder], join(folder, ...words)) : Promise.resolve(null);
}
