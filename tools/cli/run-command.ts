/** What the commands share that work on a data set and a run's folder. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Recipe } from '@cim/model/recipe/recipe';
import type { Device } from '@cim/runtime';
import type { Command } from 'commander';
import { ConfigError } from '../errors.ts';
import { type ConfigSetting, readOriginalConfig } from '../original-config/read.ts';
import { recipeOf } from '../original-config/recipe-of.ts';
import { chooseRecipe, defaultPreset } from '../pipeline/recipe-options.ts';
import { openRun, type Run } from '../pipeline/run.ts';
import type { GlobalOptions } from './options.ts';
import { terminalReporter } from './reporter.ts';
import { withDevice } from './with-device.ts';

export interface RunCommandOptions {
  readonly data: string;
  readonly out: string;
  readonly preset?: string;
  readonly cfg?: string;
  readonly set: string[];
  readonly preview?: number;
  readonly strict: boolean;
}

/** Makes a data set, and tells its folder. */
export type DataMaker = (device: Device, recipe: Recipe) => Promise<string>;

/** Opens device, data set and run folder, and runs `work` on them. `preset` is the default where the driver is fast enough. */
export async function withRun(
  command: Command,
  options: Omit<RunCommandOptions, 'data'> & { readonly data: string | DataMaker },
  work: (run: Run) => Promise<void>,
  preset: 'small' | 'demo' = 'small',
): Promise<void> {
  await withDevice(command.optsWithGlobals<GlobalOptions>(), async (device) => {
    const recipe = await recipeFor(device, options, preset);
    const data = typeof options.data === 'string' ? options.data : await options.data(device, recipe);
    await work(await openRun(device, { ...options, data, recipe, report: terminalReporter }));
  });
}

const recipeFile = (out: string): string => join(out, 'recipe.json');

/** Whether the folder holds a run, whose recipe then applies. */
export const begun = (out: string): boolean => existsSync(recipeFile(out));

/** The recipe asked for; else the one the folder was begun with; else the default for the adapter. */
async function recipeFor(
  device: Device,
  { out, preset, cfg, set }: Omit<RunCommandOptions, 'data'>,
  fallback: 'small' | 'demo',
): Promise<Recipe> {
  const known = begun(out) ? recipeFile(out) : defaultPreset(device.adapter, fallback);
  const recipe = await recipeNamed({ preset: preset ?? known, cfg, set });
  console.error(`Recipe ${recipe.name}: ${recipe.description}`);
  return recipe;
}

/** The recipe of a preset or file, or of a configuration of the original, with settings changed. @throws ConfigError */
export const recipeNamed = async ({
  preset,
  cfg,
  set,
}: Pick<RunCommandOptions, 'cfg' | 'set'> & { preset: string }): Promise<Recipe> =>
  cfg === undefined ? chooseRecipe({ preset, set }) : recipeOf(await readOriginalConfig(cfg, settingPairs(set)), cfg);

/** `KEY VALUE KEY VALUE …`, as the original takes settings. */
function settingPairs(words: readonly string[]): ConfigSetting[] {
  if (words.length % 2 !== 0) {
    throw new ConfigError(`--set ${words.join(' ')} is no list of pairs.`, 'With --cfg write --set KEY VALUE …');
  }
  return Array.from({ length: words.length / 2 }, (_, i) => [words[2 * i], words[2 * i + 1]]);
}
