/** What `cim convert` does. */
import type { Recipe } from '@cim/model/recipe/recipe';
import type { GlobalOptions } from '../cli/options.ts';
import { recipeNamed } from '../cli/run-command.ts';
import { textTable } from '../cli/table.ts';
import { withDevice } from '../cli/with-device.ts';
import { openDataset } from '../datasets/open.ts';
import { CheckpointError, ConfigError } from '../errors.ts';
import { reportLines } from '../weights/published.ts';
import { type ConversionReport, convertFile, listArrays, type RunOfCheckpoint } from './convert.ts';
import { inspectWeights, loadIntoRecipe } from './inspect.ts';

interface ConvertOptions {
  readonly inspect: boolean;
  readonly preset?: string;
  readonly cfg?: string;
  readonly set: string[];
  readonly data?: string;
}

/** @throws ConfigError for options that do not go together; what reading and writing throws. */
export async function convertCommand(
  from: string,
  to: string | undefined,
  options: ConvertOptions,
  global: GlobalOptions,
): Promise<void> {
  if (options.inspect) {
    for (const line of await inspect(from, options, global)) console.log(line);
    return;
  }
  if (to === undefined) throw new ConfigError('There is no name to write to.', 'Write cim convert IN OUT.');
  const { arrays, notes } = await convertFile(from, to, await runOf(options));
  console.log(arrayTable(arrays));
  for (const note of notes) console.log(note);
  console.log(`${arrays.length} arrays: ${to}`);
}

/** The recipe that the options name, if they name one. */
const chosenRecipe = async ({ preset, cfg, set }: ConvertOptions): Promise<Recipe | null> =>
  preset === undefined && cfg === undefined ? null : recipeNamed({ preset: preset ?? '', cfg, set });

async function runOf(options: ConvertOptions): Promise<RunOfCheckpoint | undefined> {
  const { data } = options;
  const recipe = await chosenRecipe(options);
  if (recipe === null && data === undefined) return undefined;
  if (recipe === null || data === undefined) {
    throw new ConfigError(
      'A checkpoint of a run needs its recipe and its classes.',
      'Give --data, and --preset or --cfg.',
    );
  }
  return { recipe, classes: (await openDataset({ path: data, split: 'train' })).classes };
}

async function inspect(file: string, options: ConvertOptions, global: GlobalOptions): Promise<string[]> {
  const recipe = await chosenRecipe(options);
  if (recipe !== null) {
    return withDevice(global, async (device) => reportLines(await loadIntoRecipe(device, file, recipe)));
  }
  const { arrays } = await listArrays(file);
  if (!/\.(pth|pt|safetensors)$/.test(file)) return [arrayTable(arrays)];
  try {
    return await inspectWeights(file);
  } catch (error) {
    // Not every file of tensors is a network's.
    if (!(error instanceof CheckpointError)) throw error;
    return [arrayTable(arrays), error.message];
  }
}

const arrayTable = (arrays: ConversionReport['arrays']): string =>
  textTable(
    ['array', 'type', 'shape'],
    arrays.map(({ name, dtype, shape }) => [name, dtype, `[${shape.join(', ')}]`]),
  );
