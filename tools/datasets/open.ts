/** From what a user points at, a folder or a file, to a data set. */
import { statSync } from 'node:fs';
import { basename, extname, join, resolve } from 'node:path';
import { DataError } from '../errors.ts';
import { readCoco } from './coco.ts';
import { readCsv } from './csv.ts';
import type { Dataset, DatasetClass } from './dataset.ts';
import { datasetRoot, locateImages } from './locate.ts';

export interface DatasetSpec {
  /** A data set's folder, or its COCO file (.json) or label list (.csv). */
  readonly path: string;
  /** Which part of a folder: "train", "val", or the original's "trainaug" and "test" (test-dev). */
  readonly split: string;
  /** The classes of the part opened before: this one must have the same. */
  readonly classes?: readonly DatasetClass[];
}

/**
 * Opens one split of a data set. In a folder its annotation file is the first of `<split>.json`, `instances_<split>.json`,
 * `instances_<split>2017.json`, `voc_2012_<split>.json` and `<split>.csv` in `annotations/`, then in the folder itself.
 * "train" is also found as `voc_2012_trainaug.json`, "test" as `image_info_test-dev2017.json`.
 * See `locateImages` for where the images may be.
 *
 * @throws DataError when the files are missing, damaged, empty, or disagree with `classes`.
 */
export async function openDataset({ path, split, classes }: DatasetSpec): Promise<Dataset> {
  const file = annotationFile(path, split);
  const list = extname(file).toLowerCase() === '.csv' ? await readCsv(file, classes) : await readCoco(file);
  if (list.images.length === 0) throw new DataError(`${file} lists no image.`, 'List at least one image.');
  if (list.classes.length === 0) throw new DataError(`${file} has no class.`, 'List at least one category.');
  if (classes) checkClasses(list.classes, classes, file);
  const name = basename(file, extname(file));
  return { name, root: datasetRoot(file), classes: list.classes, images: locateImages(list, file, split) };
}

/**
 * Opens the splits "train" and "val" of a folder, with the same classes. A label list says no more than the classes' names:
 * their ids and order come from the other split, if that is a COCO file.
 *
 * @throws DataError
 */
export async function openSplits(path: string): Promise<{ train: Dataset; val: Dataset }> {
  const isList = (split: string): boolean => extname(annotationFile(path, split)).toLowerCase() === '.csv';
  if (isList('train') && !isList('val')) {
    const val = await openDataset({ path, split: 'val' });
    return { train: await openDataset({ path, split: 'train', classes: val.classes }), val };
  }
  const train = await openDataset({ path, split: 'train' });
  return { train, val: await openDataset({ path, split: 'val', classes: train.classes }) };
}

/** Names of the official files that do not follow from the split's. */
const OFFICIAL: Readonly<Record<string, readonly string[]>> = {
  train: ['voc_2012_trainaug.json'],
  test: ['image_info_test-dev2017.json'],
};

/** The annotation file of a split, as {@link openDataset} finds it. @throws DataError when there is none. */
export function annotationFile(path: string, split: string): string {
  const full = resolve(path);
  const status = statSync(full, { throwIfNoEntry: false });
  if (!status) throw new DataError(`${full} does not exist.`, 'Check the path of the data set.');
  if (status.isFile()) return full;
  const names = ['', 'instances_', 'voc_2012_'].map((prefix) => `${prefix}${split}.json`);
  names.splice(2, 0, `instances_${split}2017.json`);
  names.push(...(OFFICIAL[split] ?? []), `${split}.csv`);
  const candidates = ['annotations', '.'].flatMap((folder) => names.map((name) => join(full, folder, name)));
  const found = candidates.find((file) => statSync(file, { throwIfNoEntry: false })?.isFile());
  if (found) return found;
  throw new DataError(
    `${full} has no annotations of the split "${split}".`,
    `Put a COCO file at ${candidates[0]} or a list of files and labels at ${join(full, `${split}.csv`)}.`,
  );
}

function checkClasses(actual: readonly DatasetClass[], expected: readonly DatasetClass[], file: string): void {
  const different = expected.findIndex(({ id, name }, i) => actual[i]?.id !== id || actual[i]?.name !== name);
  const at = different < 0 && actual.length > expected.length ? expected.length : different;
  if (at < 0) return;
  const quote = (c?: DatasetClass): string => (c ? `"${c.name}" (id ${c.id})` : 'missing');
  throw new DataError(
    `Class ${at + 1} of ${file} is ${quote(actual[at])}, in the training data it is ${quote(expected[at])}.`,
    'Give both files the same categories in the same order.',
  );
}
