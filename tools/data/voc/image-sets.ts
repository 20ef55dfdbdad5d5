/** Which images a split of VOC has. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, reasonOf } from '../../errors.ts';

/** Image names ascending. */
export type VocSplit = 'trainaug' | 'val';

/** The names in a list, one a line. @throws DataError that names the file and the line. */
export async function readNames(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new DataError(`Cannot read ${file}: ${reasonOf(cause)}.`, 'Extract the VOC archive.', { cause });
  });
  return text
    .trimEnd()
    .split(/\r?\n/)
    .map((line, i) => {
      const name = line.trim();
      if (/^\d{4}_\d{6}$/.test(name)) return name;
      throw new DataError(
        `${file}, line ${i + 1}: ${JSON.stringify(line.slice(0, 80))} is not the name of a VOC image.`,
        'Each line is a name such as 2007_000032.',
      );
    });
}

/** Where a list of a split may be given. */
const listFiles = (root: string, split: string): string[] =>
  ['Segmentation', 'Main'].map((folder) => join(root, 'ImageSets', folder, `${split}.txt`));

/**
 * The images of a split, ascending. trainaug, where no list is given, is what everyone makes of SBD: its training and
 * validation images and VOC's training images, without VOC's validation images (10 582).
 *
 * @throws DataError when the lists are missing or damaged.
 */
export async function splitNames(root: string, split: VocSplit): Promise<string[]> {
  const given = listFiles(root, split).find((file) => existsSync(file));
  if (given) return [...new Set(await readNames(given))].sort();
  const segmentation = join(root, 'ImageSets', 'Segmentation');
  const sbd = ['train', 'val'].map((name) => join(root, 'SBD', `${name}.txt`));
  if (split !== 'trainaug' || !sbd.every((file) => existsSync(file))) {
    throw new DataError(
      `${root} has no list of the images of ${split}.`,
      `Put one at ${listFiles(root, split)[0]}${split === 'trainaug' ? ', or SBD into SBD/: `cim data voc --download` fetches it' : ''}.`,
    );
  }
  const lists = await Promise.all([...sbd, join(segmentation, 'train.txt')].map(readNames));
  const excluded = new Set(await readNames(join(segmentation, 'val.txt')));
  return [...new Set(lists.flat())].filter((name) => !excluded.has(name)).sort();
}

/** 2007_000032 → 2007000032, the image id. */
export const vocImageId = (name: string): number => Number(name.replace('_', ''));
