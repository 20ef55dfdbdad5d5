/** Which files of a folder are cases. */
import { readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { DataError, reasonOf } from '../errors.ts';
import type { CaseKind } from './case.ts';

const GOLDEN = '.safetensors';
/** What such a file holds is expected of the file whose name it continues: `X.expected.safetensors` of `X`. */
const EXPECTED = '.expected.safetensors';
const NOTES = /(^|\/)(timings\.json|[^/]+\.md)$/;

/** A file that is verified; `kind` is undefined when it is of none that is known. */
export interface Case {
  /** Its path relative to the folder, without `.safetensors`. */
  readonly name: string;
  readonly file: string;
  readonly kind?: CaseKind;
}

/**
 * The cases of a folder and the folders in it, in alphabetical order. Notes, hidden files and files that belong to a case are
 * left out.
 *
 * @throws DataError when the folder cannot be read or holds none.
 */
export async function findCases(folder: string, kinds: readonly CaseKind[]): Promise<Case[]> {
  const root = resolve(folder);
  const names = await filesOf(root);
  const known = new Set(names);
  const cases: Case[] = [];
  const belonging = new Set<string>();
  for (const name of names) {
    const kind = kinds.find((candidate) => covers(candidate, `${basename(root)}/${name}`));
    const isExpectation = name.endsWith(EXPECTED) && known.has(name.slice(0, -EXPECTED.length));
    if (isExpectation || NOTES.test(name)) continue;
    cases.push({ name: name.endsWith(GOLDEN) ? name.slice(0, -GOLDEN.length) : name, file: join(root, name), kind });
    if (kind === undefined || !('inputs' in kind) || !kind.inputs) continue;
    for (const input of kind.inputs(basename(name))) belonging.add(join(root, dirname(name), input));
  }
  const found = cases.filter(({ file, kind }) => kind !== undefined || !belonging.has(file));
  if (found.length === 0) throw new DataError(`${folder} holds no golden file.`, REMEDY);
  return found;
}

const REMEDY = 'Give a folder of golden files.';

/** Paths relative to the folder, with `/`. */
async function filesOf(root: string): Promise<string[]> {
  const list = async (folder: string, prefix: string): Promise<string[]> => {
    const entries = await readdir(folder, { withFileTypes: true });
    const visible = entries.filter(({ name }) => !name.startsWith('.'));
    const lists = visible.map((entry) =>
      entry.isDirectory() ? list(join(folder, entry.name), `${prefix}${entry.name}/`) : [`${prefix}${entry.name}`],
    );
    return (await Promise.all(lists)).flat();
  };
  try {
    return (await list(root, '')).sort();
  } catch (cause) {
    throw new DataError(`Cannot read ${root}: ${reasonOf(cause)}.`, REMEDY, { cause });
  }
}

/** Whether a kind is the file's, by the whole path or what follows any folder in it. */
function covers(kind: CaseKind, path: string): boolean {
  if (path.endsWith(GOLDEN) !== 'check' in kind) return false;
  const parts = (path.endsWith(GOLDEN) ? path.slice(0, -GOLDEN.length) : path).split('/');
  return parts.some((_, depth) => kind.pattern.test(parts.slice(depth).join('/')));
}
