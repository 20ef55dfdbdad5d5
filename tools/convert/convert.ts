/** `cim convert`: one file in another format, and what a file holds. */
import { extname } from 'node:path';
import type { Recipe } from '@cim/model/recipe/recipe';
import type { DatasetClass } from '../datasets/dataset.ts';
import { ConfigError } from '../errors.ts';
import { writeFileAtomic } from '../formats/atomic.ts';
import { parseJson } from '../formats/json.ts';
import { readMat } from '../formats/mat.ts';
import { elementCount, type LazyArray, NdArray } from '../formats/ndarray.ts';
import { readNpy } from '../formats/numpy.ts';
import { type Picklable, readPickle, writePickle } from '../formats/pickle.ts';
import { arrayOfSafeTensor, openSafetensors, safeTensorOf, writeSafetensors } from '../formats/safetensors.ts';
import { readTorch, type Torchable, writeTorch } from '../formats/torch.ts';
import { checkpointKind, readCheckpoint, writeCheckpoint } from '../pipeline/checkpoint.ts';
import { fromOriginal, toOriginal } from './original-checkpoint.ts';
import { putTogether, takeApart } from './structure.ts';

/** The run that an original's checkpoint becomes a checkpoint of. */
export interface RunOfCheckpoint {
  readonly recipe: Recipe;
  readonly classes: readonly DatasetClass[];
}

export interface ConversionReport {
  readonly arrays: readonly { readonly name: string; readonly dtype: string; readonly shape: readonly number[] }[];
  /** What could not be carried over. */
  readonly notes: readonly string[];
}

const READERS: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
  '.pth': readTorch,
  '.pt': readTorch,
  '.safetensors': readStructured,
  '.pkl': readPickle,
  '.npy': readNpy,
  '.mat': (path) => readMat(path),
};
const WRITERS: Readonly<Record<string, (path: string, value: unknown) => Promise<void>>> = {
  '.pth': (path, value) => writeTorch(path, value as Torchable),
  '.safetensors': writeStructured,
  '.pkl': async (path, value) => writePickle(path, (await inMemory(value)) as Picklable),
  '.json': writeJson,
};

/** The reader or writer for a file's ending. @throws ConfigError */
function forEnding<T>(table: Readonly<Record<string, T>>, path: string, verb: string): T {
  const ending = extname(path).toLowerCase();
  if (Object.hasOwn(table, ending)) return table[ending];
  throw new ConfigError(
    `${path} cannot be ${verb}: it ends in "${ending}".`,
    `Give a file that ends in one of ${Object.keys(table).join(', ')}.`,
  );
}

/**
 * Converts a file by the endings of both names. A checkpoint of a run becomes the original's `model_step*.pth`; with `run`, an
 * original's checkpoint becomes one of that run.
 *
 * @throws DataError or CheckpointError when IN is damaged, ConfigError for endings that are unknown, OutputError.
 */
export async function convertFile(from: string, to: string, run?: RunOfCheckpoint): Promise<ConversionReport> {
  const write = forEnding(WRITERS, to, 'written');
  const kind = from.endsWith('.safetensors') ? await checkpointKind(from) : null;
  if (run && to.endsWith('.safetensors')) {
    const { value, notes } = fromOriginal(await readFileOf(from), from, run.recipe, run.classes);
    await writeCheckpoint(to, value);
    return { ...(await listArrays(to)), notes };
  }
  if (kind !== null && !to.endsWith('.safetensors')) {
    const { value, notes } = toOriginal(await readCheckpoint(from, kind));
    await write(to, value);
    return { arrays: describe(value), notes };
  }
  const value = await readFileOf(from);
  await write(to, value);
  return { arrays: describe(value), notes: [] };
}

const readFileOf = (path: string): Promise<unknown> => forEnding(READERS, path, 'read')(path);

/** What a file holds, without reading the elements of large arrays. */
export const listArrays = async (path: string): Promise<Pick<ConversionReport, 'arrays'>> => ({
  arrays: describe(await readFileOf(path)),
});

const describe = (value: unknown): ConversionReport['arrays'] =>
  [...takeApart(value).tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));

const FORMAT = 'python';

/** A .safetensors file as a dict of its tensors, or as the value that {@link writeStructured} took apart. */
async function readStructured(path: string): Promise<unknown> {
  const { metadata, tensors } = await openSafetensors(path);
  const arrays = new Map<string, LazyArray>([...tensors].map(([name, tensor]) => [name, arrayOfSafeTensor(tensor)]));
  if (metadata.format !== FORMAT) return arrays;
  const structure = parseJson(metadata.structure ?? '', `The structure of ${path}`, 'Make the file again.');
  return putTogether({ structure, tensors: arrays }, path);
}

async function writeStructured(path: string, value: unknown): Promise<void> {
  const { structure, tensors } = takeApart(value);
  const stored = [...tensors].map(([name, array]) => [name, safeTensorOf(array)] as const);
  await writeSafetensors(path, { format: FORMAT, structure: JSON.stringify(structure) }, stored);
}

/** The value with all arrays read. */
async function inMemory(value: unknown): Promise<unknown> {
  const { structure, tensors } = takeApart(value);
  const read = new Map<string, LazyArray>();
  for (const [name, array] of tensors) read.set(name, new NdArray(array.dtype, array.shape, await array.read()));
  return putTogether({ structure, tensors: read }, 'the value');
}

/** Numbers that a text is still readable with. */
const MAX_JSON_NUMBERS = 5_000_000;

async function writeJson(path: string, value: unknown): Promise<void> {
  const numbers = describe(value).reduce((sum, { shape }) => sum + elementCount(shape), 0);
  if (numbers > MAX_JSON_NUMBERS) {
    throw new ConfigError(`${path} would hold ${numbers} numbers as text.`, 'Convert to .safetensors.');
  }
  await writeFileAtomic(path, JSON.stringify(await inMemory(value), asJson));
}

/** How values that JSON lacks are shown. */
function asJson(_: string, value: unknown): unknown {
  if (value instanceof NdArray) return { dtype: value.dtype, shape: value.shape, data: value.toNumbers() };
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [String(key), item]));
  if (value instanceof Set || value instanceof Uint8Array) return [...value];
  return typeof value === 'bigint' ? String(value) : value;
}
