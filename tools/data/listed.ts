/** Which files a data set should have, from whatever lists them. */
import { createReadStream, existsSync, readdirSync } from 'node:fs';
import { parse } from 'node:path';

/** Longer than any `"file_name": "…"`. */
const OVERLAP = 1024;

/**
 * The image names, without endings, in a COCO file, in its order. Only the names are looked for: the annotations of COCO's
 * training set, 450 MB of them, are not parsed.
 */
export async function imageNames(annotationFile: string): Promise<string[]> {
  const names: string[] = [];
  let text = '';
  for await (const chunk of createReadStream(annotationFile, { encoding: 'latin1', highWaterMark: 2 ** 22 })) {
    text += chunk as string;
    let end = 0;
    for (const match of text.matchAll(/"file_name"\s*:\s*"([^"]*)"/g)) {
      names.push(parse(match[1]).name);
      end = match.index + match[0].length;
    }
    text = text.slice(Math.max(end, text.length - OVERLAP));
  }
  return names;
}

/** How many of the expected files are there. */
export interface Found {
  readonly present: number;
  readonly expected: number;
  /** Names of files that are not there, with their endings. */
  readonly missing: readonly string[];
}

/** Looks for `names`, each with the ending, in a folder. */
export function lookFor(folder: string, names: readonly string[], ending: string): Found {
  const there = namesIn(folder);
  const missing = names.map((name) => `${name}${ending}`).filter((name) => !there.has(name));
  return { present: names.length - missing.length, expected: names.length, missing };
}

/** The entries of a folder; none when there is no such folder. */
export const namesIn = (folder: string): Set<string> => new Set(existsSync(folder) ? readdirSync(folder) : []);
