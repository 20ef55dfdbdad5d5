/** The original's configurations: YAML files over its defaults, and pairs of a key and a value over those. */
import { readFile } from 'node:fs/promises';
import { closest } from 'fastest-levenshtein';
import { parseDocument } from 'yaml';
import { ConfigError, reasonOf } from '../errors.ts';
import { isRecord } from '../formats/json.ts';
import { defaultConfig, type OriginalConfig } from './defaults.ts';

export type { OriginalConfig } from './defaults.ts';

/** `--set KEY VALUE`: a dotted key and its value as text. */
export type ConfigSetting = readonly [key: string, value: string];

/** Configurations are a few KB. */
const MAX_BYTES = 1_000_000;

/**
 * A configuration as the original's programs read it: `configs/*.yaml`, Python's tuples and lists in texts included.
 *
 * @throws ConfigError when the file is missing or not plain YAML, names a setting that does not exist, or gives one a
 *   value of another type.
 */
export async function readOriginalConfig(
  path: string,
  settings: readonly ConfigSetting[] = [],
): Promise<OriginalConfig> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new ConfigError(`Cannot read ${path}: ${reasonOf(cause)}.`, 'Check the path.', { cause });
  });
  return parseOriginalConfig(text, path, settings);
}

/** {@link readOriginalConfig} of a text; `name` is what errors call it. */
export function parseOriginalConfig(
  text: string,
  name: string,
  settings: readonly ConfigSetting[] = [],
): OriginalConfig {
  const config = defaultConfig();
  const value = text.length > MAX_BYTES ? null : parseYaml(text, name);
  if (!isRecord(value)) throw new ConfigError(`${name} is not a list of settings.`, 'Give one of configs/*.yaml.');
  merge(config, value, name, '');
  for (const [key, word] of settings) {
    const nested = key.split('.').reduceRight<unknown>((inner, part) => ({ [part]: inner }), word);
    merge(config, nested as Record<string, unknown>, `--set ${key} ${word}`, '');
  }
  return config;
}

/** Warnings are problems here, and are not printed. */
const YAML = { schema: 'core', prettyErrors: false, logLevel: 'error' } as const;

/** Plain values only: a tag would ask for an object of some class. */
function parseYaml(text: string, name: string): unknown {
  try {
    const document = parseDocument(text, YAML);
    const [problem] = [...document.errors, ...document.warnings];
    if (problem) throw problem;
    return document.toJS({ maxAliasCount: 0 });
  } catch (cause) {
    throw new ConfigError(`${name} is not plain YAML: ${reasonOf(cause)}.`, 'Correct the file.', { cause });
  }
}

function merge(base: Record<string, unknown>, change: Record<string, unknown>, source: string, path: string): void {
  for (const [key, raw] of Object.entries(change)) {
    const full = path ? `${path}.${key}` : key;
    if (!Object.hasOwn(base, key)) {
      const near = closest(key, Object.keys(base));
      throw new ConfigError(
        `${source}: the original has no setting "${full}".`,
        `Did you mean "${path ? `${path}.` : ''}${near}"?`,
      );
    }
    const known = base[key];
    const value = typeof raw === 'string' && typeof known !== 'string' ? literal(raw) : unquoted(raw);
    if (isRecord(known) && isRecord(value)) merge(known, value, source, full);
    else base[key] = coerce(value, known, `${source}: "${full}"`);
  }
}

/** The value of the type that a setting has. */
function coerce(value: unknown, known: unknown, what: string): unknown {
  const refuse = (expected: string): never => {
    const shown = JSON.stringify(value)?.slice(0, 80);
    throw new ConfigError(
      `${what} is ${shown}; ${expected} is needed.`,
      isRecord(known)
        ? `Change one of ${Object.keys(known).join(', ')}.`
        : `It is ${JSON.stringify(known)} unless changed.`,
    );
  };
  if (isRecord(known)) return refuse('a group of settings');
  if (Array.isArray(known)) {
    const list = Array.isArray(value) ? (value as unknown[]) : refuse('a list');
    const kind = known.length > 0 ? typeof known[0] : null;
    if (kind !== null && list.some((item) => typeof item !== kind)) refuse(`a list of ${kind}s`);
    return list;
  }
  if (typeof known === 'string') return typeof value === 'object' ? refuse('a text') : String(value);
  if (typeof value !== typeof known) return refuse(`a ${typeof known}`);
  return typeof value === 'number' && !Number.isFinite(value) ? refuse('a finite number') : value;
}

/** A text in a text, as `SCORE_HEUR: "'AVG'"` would be. */
const unquoted = (value: unknown): unknown =>
  typeof value === 'string' ? value.replace(/^(['"])(.*)\1$/s, '$2') : value;

/** A Python literal: `(480, 576)`, `['a',]`, `True`, `1e-5`. What is none stays a text. */
function literal(text: string): unknown {
  try {
    const document = parseDocument(brackets(text), YAML);
    return document.errors.length + document.warnings.length > 0 ? text : document.toJS({ maxAliasCount: 0 });
  } catch {
    return text;
  }
}

/** Tuples as lists, outside of quotes. */
const brackets = (text: string): string =>
  text.replace(/'[^']*'|"[^"]*"|[()]/g, (part) => (part === '(' ? '[' : part === ')' ? ']' : part));
