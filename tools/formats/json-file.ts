/** JSON files of any size, plain or compressed. */
import { constants } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { DataError, reasonOf } from '../errors.ts';
import { parseJson } from './json.ts';

/**
 * The text of a file; of one that ends in `.gz`, what it holds.
 *
 * @throws DataError when it is missing or a damaged archive.
 */
export async function readText(file: string): Promise<string> {
  try {
    const bytes = await readFile(file);
    return (
      file.endsWith('.gz') ? await promisify(gunzip)(bytes, { maxOutputLength: constants.MAX_STRING_LENGTH }) : bytes
    ).toString('utf8');
  } catch (error) {
    throw new DataError(`Cannot read ${file}: ${reasonOf(error)}.`, 'Check the path.', { cause: error });
  }
}

/** The value in a JSON file, plain or compressed. @throws DataError */
export const readJson = async (file: string): Promise<unknown> =>
  parseJson(await readText(file), file, 'Give a JSON file.');
