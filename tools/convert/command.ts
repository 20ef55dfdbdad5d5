/** What `cim convert` does. */
import type { GlobalOptions } from '../cli/options.ts';
import { textTable } from '../cli/table.ts';
import { withDevice } from '../cli/with-device.ts';
import { openDataset } from '../datasets/open.ts';
import { CheckpointError, ConfigError } from '../errors.ts';
import { chooseRecipe } from '../pipeline/recipe-options.ts';
import { reportLines } from '../weights/published.ts';
import { type ConversionReport, convertFile, listArrays, type RunOfCheckpoint } from './convert.ts';
import { inspectWeights, loadIntoRecipe } from './inspect.ts';

interface ConvertOptions {
  readonly inspect: boolean;
  readonly preset?: string;
  readonly set: readonly string[];
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

async function runOf({ preset, set, data }: ConvertOptions): Promise<RunOfCheckpoint | undefined> {
  if (preset === undefined && data === undefined) return undefined;
  if (preset === undefined || data === undefined) {
    throw new ConfigError('A checkpoint of a run needs its recipe and its classes.', 'Give both --preset and --data.');
  }
  const [recipe, { classes }] = [
    await chooseRecipe({ preset, set }),
    await openDataset({ path: data, split: 'train' }),
  ];
  return { recipe, classes };
}

async function inspect(file: string, { preset, set }: ConvertOptions, global: GlobalOptions): Promise<string[]> {
  if (preset !== undefined) {
    const recipe = await chooseRecipe({ preset, set });
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
