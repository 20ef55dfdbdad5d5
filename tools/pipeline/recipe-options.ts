import { readFile } from 'node:fs/promises';
import { type PresetName, presets } from '@cim/model/recipe/presets';
import type { Recipe } from '@cim/model/recipe/recipe';
import type { AdapterDescription } from '@cim/runtime';
import { closest } from 'fastest-levenshtein';
import { parse } from 'yaml';
import { ConfigError, reasonOf } from '../errors.ts';
import { isRecord } from '../formats/json.ts';
import { recipeSchema } from './recipe-schema.ts';

export interface RecipeOptions {
  /** A preset's name, or a JSON or YAML file that holds (parts of) a recipe over the preset `small`. */
  readonly preset: string;
  /** `key.path=value` each. */
  readonly set: readonly string[];
}

/** The preset where none is named: SwiftShader is several times slower than every other driver. */
export const defaultPreset = ({ driver }: Pick<AdapterDescription, 'driver'>, wanted: 'small' | 'demo'): PresetName =>
  driver === 'swiftshader' ? 'short' : wanted;

export const isPreset = (name: string): name is PresetName => Object.hasOwn(presets, name);

/** The recipe that a command line asks for. @throws ConfigError for a setting that does not exist or cannot have its value. */
export async function chooseRecipe({ preset, set }: RecipeOptions): Promise<Recipe> {
  let recipe: Recipe = structuredClone(isPreset(preset) ? presets[preset] : presets.small);
  if (!isPreset(preset)) recipe = change(recipe, await readRecipeFile(preset), preset);
  for (const assignment of set) {
    const [, path, text] = /^([^=]+)=(.*)$/s.exec(assignment) ?? [];
    if (path === undefined)
      throw new ConfigError(`"${assignment}" is not an assignment.`, 'Write --set key.path=value.');
    const source = `--set ${assignment}`;
    const nested = path.split('.').reduceRight<unknown>((value, key) => ({ [key]: value }), readYaml(text, source));
    recipe = change(recipe, nested, source);
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
  return readYaml(text, path);
}

function readYaml(text: string, source: string): unknown {
  try {
    return parse(text);
  } catch (cause) {
    throw new ConfigError(`${source} is neither JSON nor YAML: ${reasonOf(cause)}.`, 'Correct it.', { cause });
  }
}

/** `recipe` with the settings of `source`, checked. */
function change(recipe: Recipe, settings: unknown, source: string): Recipe {
  const merged = merge(recipe, settings, source, '');
  const { error } = recipeSchema.safeParse(merged);
  if (!error) return merged as Recipe; // not the parsed copy: runs compare recipes as text
  const [{ path, message }] = error.issues;
  const at = (value: unknown): unknown =>
    path.reduce((inner, key) => (inner as Record<PropertyKey, unknown>)?.[key], value);
  const place = path.length > 0 ? `"${path.join('.')}" is` : 'the recipe is';
  throw new ConfigError(
    `${source}: ${place} ${quote(at(merged))}. ${message}.`,
    path.length > 0 ? `It is ${quote(at(recipe))} unless changed.` : 'Write settings, as training: {steps: 300}.',
  );
}

const quote = (value: unknown): string =>
  typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? 'not given');

/** `base` with the values of `change`, whose every key must exist. Members that choose a variant (`type`) are replaced whole. */
function merge(base: unknown, change: unknown, source: string, path: string): unknown {
  if (!isRecord(base) || !isRecord(change) || (change.type !== undefined && change.type !== base.type)) return change;
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(change)) {
    const full = path ? `${path}.${key}` : key;
    if (!Object.hasOwn(base, key)) {
      const known = Object.keys(base);
      throw new ConfigError(
        `${source}: there is no setting "${full}".`,
        `Did you mean "${path ? `${path}.` : ''}${closest(key, known)}"? Here are ${known.join(', ')}.`,
      );
    }
    merged[key] = merge(base[key], value, source, full);
  }
  return merged;
}
