import { readFile } from 'node:fs/promises';
import { closest } from 'fastest-levenshtein';
import { parse } from 'yaml';
import type { AdapterDescription } from '@cim/runtime';
import { type PresetName, presets } from '@cim/model/recipe/presets';
import type { Recipe } from '@cim/model/recipe/recipe';
import { ConfigError, reasonOf } from '../errors.ts';

export interface RecipeOptions {
  /** A preset's name, or a JSON or YAML file that holds (parts of) a recipe over the preset `small`. */
  readonly preset: string;
  /** `key.path=value` each. */
  readonly set: readonly string[];
}

/** The preset for an adapter when none is named: SwiftShader is several times slower than every other. */
export const defaultPreset = ({ driver }: Pick<AdapterDescription, 'driver'>): PresetName =>
  driver === 'swiftshader' ? 'short' : 'small';

export const isPreset = (name: string): name is PresetName => Object.hasOwn(presets, name);

/** The recipe that a command line asks for. @throws ConfigError for a key that does not exist or a value of another type. */
export async function chooseRecipe({ preset, set }: RecipeOptions): Promise<Recipe> {
  let recipe: Recipe = structuredClone(isPreset(preset) ? presets[preset] : presets.small);
  if (!isPreset(preset)) recipe = merge(recipe, await readRecipeFile(preset), preset, '') as Recipe;
  for (const assignment of set) {
    const [, path, text] = /^([^=]+)=(.*)$/s.exec(assignment) ?? [];
    if (path === undefined) throw new ConfigError(`"${assignment}" is not an assignment.`, 'Write --set key.path=value.');
    const nested = path.split('.').reduceRight<unknown>((value, key) => ({ [key]: value }), parse(text));
    recipe = merge(recipe, nested, `--set ${assignment}`, '') as Recipe;
  }
  return recipe;
}

async function readRecipeFile(path: string): Promise<unknown> {
  const names = Object.keys(presets);
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new ConfigError(
      `"${path}" is neither a preset nor a file that can be read (${reasonOf(cause)}).`,
      `The presets are ${names.join(', ')}; did you mean ${closest(path, names)}?`,
      { cause },
    );
  });
  try {
    return parse(text);
  } catch (cause) {
    throw new ConfigError(`${path} is neither JSON nor YAML: ${reasonOf(cause)}.`, 'Correct the file.', { cause });
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const kindOf = (value: unknown): string => (Array.isArray(value) ? 'list' : value === null ? 'null' : typeof value);

/** `base` with the values of `change`, whose every key must exist. Members that choose a variant (`type`) are replaced whole. */
function merge(base: unknown, change: unknown, source: string, path: string): unknown {
  if (!isRecord(base) || !isRecord(change) || (change.type !== undefined && change.type !== base.type)) {
    // A limit may be switched off by null, or on by a number.
    if (kindOf(base) === kindOf(change) || base === null || change === null) return change;
    throw new ConfigError(
      `${source}: "${path}" must be a ${kindOf(base)}, got ${JSON.stringify(change)}.`,
      `Its value in the recipe is ${JSON.stringify(base)}.`,
    );
  }
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(change)) {
    const full = path ? `${path}.${key}` : key;
    if (!Object.hasOwn(base, key)) {
      const known = Object.keys(base);
      throw new ConfigError(`${source}: there is no setting "${full}".`, `Did you mean "${path ? `${path}.` : ''}${closest(key, known)}"? Here are ${known.join(', ')}.`);
    }
    merged[key] = merge(base[key], value, source, full);
  }
  return merged;
}
