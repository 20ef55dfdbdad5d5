/**
 * Cluster labels of a training set on the disk, a safetensors file: for every image, named by its id, U16 [N, 2] with a
 * row per proposal: the column of its cluster (0 the background, then the classes) and the cluster's number, 0 for none.
 * The metadata holds `format`, the `classes`, and as `options` the JSON of what the labels depend on.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Recipe } from '@cim/model/recipe/recipe';
import type { DatasetClass } from '../datasets/dataset.ts';
import { DataError } from '../errors.ts';
import { isRecord } from '../formats/json.ts';
import { readSafetensors, type SafeTensor, writeSafetensors } from '../formats/safetensors.ts';

const FORMAT = 'cim-clusters-2';
const REMEDY = 'Delete the file and run `cim assign` again.';

/** The one cluster of every proposal of an image, [N, 2]: column and number. */
export type CompactClusters = Uint16Array<ArrayBuffer>;

/** The settings that labels depend on. */
const labelOptions = ({ labels, proposals, workingSize, classifier }: Recipe) => ({
  labels,
  proposals,
  workingSize,
  // Points need no classifier.
  classifier: labels.source === 'peaks' ? classifier : null,
});

/** Rows of at most one number, [N, columns], as `assignClusters` gives them. */
export function compactClusters(clusters: ArrayLike<number>, columns: number): CompactClusters {
  const compact = new Uint16Array((clusters.length / columns) * 2);
  for (let i = 0; i < clusters.length; i++) {
    if (clusters[i] !== 0) compact.set([i % columns, clusters[i]], 2 * Math.floor(i / columns));
  }
  return compact;
}

/** The opposite of {@link compactClusters}: [N, columns]. */
export function expandClusters(compact: CompactClusters, columns: number): Float32Array<ArrayBuffer> {
  const clusters = new Float32Array((compact.length / 2) * columns);
  for (let n = 0; n < compact.length / 2; n++) clusters[n * columns + compact[2 * n]] = compact[2 * n + 1];
  return clusters;
}

export async function writeClusters(
  path: string,
  recipe: Recipe,
  classes: readonly DatasetClass[],
  clusters: ReadonlyMap<number, CompactClusters>,
): Promise<void> {
  const tensors = [...clusters].map(
    ([id, data]) => [String(id), { dtype: 'U16', shape: [data.length / 2, 2], data } as SafeTensor] as const,
  );
  const metadata = {
    format: FORMAT,
    classes: JSON.stringify(classes),
    options: JSON.stringify(labelOptions(recipe)),
  };
  await writeSafetensors(path, metadata, tensors);
}

/**
 * The clusters of every labelled image, by its id.
 * @throws DataError when the file is of another format, or was made for other classes or with other options.
 */
export async function readClusters(
  path: string,
  recipe: Recipe,
  classes: readonly DatasetClass[],
): Promise<Map<number, CompactClusters>> {
  const { metadata, tensors } = await readSafetensors(path);
  const fail = (problem: string): never => {
    throw new DataError(`Cannot use the labels ${path}: ${problem}.`, REMEDY);
  };
  if (metadata.format !== FORMAT) fail(`their format is ${JSON.stringify(metadata.format)}, not "${FORMAT}"`);
  if (metadata.classes !== JSON.stringify(classes)) fail('they were made for other classes');
  const made: unknown = JSON.parse(metadata.options ?? 'null');
  const other = difference(made, labelOptions(recipe), '');
  if (other) fail(`they were made with ${other.path} = ${other.before}, now it is ${other.now}`);
  return new Map(
    [...tensors].map(([id, { dtype, shape, data }]) => {
      const valid = dtype === 'U16' && shape.length === 2 && shape[1] === 2 && isCompact(data, classes.length + 1);
      if (!valid) fail(`the tensor "${id}" of ${dtype} [${shape}] holds no clusters`);
      return [Number(id), data as CompactClusters];
    }),
  );
}

const isCompact = (data: SafeTensor['data'], columns: number): boolean =>
  data.every((value: number | bigint, i: number) => i % 2 === 1 || value < columns);

/** The first setting in which two JSON values differ. */
function difference(before: unknown, now: unknown, path: string): { path: string; before: string; now: string } | null {
  if (isDeepStrictEqual(before, now)) return null;
  if (isRecord(before) && isRecord(now)) {
    const keys = [...Object.keys(before), ...Object.keys(now)];
    const key = keys.find((name) => !isDeepStrictEqual(before[name], now[name]));
    if (key !== undefined) return difference(before[key], now[key], path ? `${path}.${key}` : key);
  }
  const text = (value: unknown): string => JSON.stringify(value) ?? 'nothing';
  return { path, before: text(before), now: text(now) };
}
