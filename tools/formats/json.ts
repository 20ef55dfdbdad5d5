/** JSON texts. */
import type { z } from 'zod';
import { DataError, reasonOf } from '../errors.ts';

/**
 * The value that a JSON text stands for. `file` is named in errors.
 *
 * @param remedy what the file should be.
 * @throws DataError
 */
export function parseJson(text: string, file: string, remedy: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new DataError(`${file} is not JSON: ${reasonOf(error)}.`, remedy, { cause: error });
  }
}

/** The first thing a schema found wrong with `value`, as the middle of a sentence: where, what stands there, and why not. */
export function describeIssue({ issues }: z.ZodError, value: unknown, root: string): string {
  const { path, message } = issues[0];
  const found = path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown>)[key], value);
  const text = JSON.stringify(found) ?? 'missing';
  const shown = text.length > 80 ? `${text.slice(0, 80)} …` : text;
  const place = path.length === 0 ? 'it' : [root, ...path.map(String)].join(' ');
  return `${place} is ${shown} (${message})`;
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
