/** Data sets of one folder per class, as torchvision's ImageFolder reads them. */
import { readdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import type { DatasetClass } from '../datasets/dataset.ts';
import { DataError, firstNames, reasonOf } from '../errors.ts';

export interface FolderImage {
  /** Absolute path, or relative like the folder's. */
  readonly file: string;
  /** Index of the class. */
  readonly label: number;
}

export interface ImageFolder {
  readonly folder: string;
  /** Names of the classes' folders in the order of their characters, which is that of the published weights' classes. */
  readonly classes: readonly string[];
  /** Class by class, in the order of their names. */
  readonly images: readonly FolderImage[];
}

const ENDINGS = ['.jpg', '.jpeg', '.png', '.webp'];
const REMEDY = 'Give a folder with one folder of JPEG, PNG or WebP images per class, as FOLDER/train/n01440764/*.JPEG.';

/**
 * Lists the images of `FOLDER/SPLIT/CLASS/` and the folders below it.
 *
 * @throws DataError when the folder is missing, holds no classes, or one of them holds no image.
 */
export async function readImageFolder(root: string, split: 'train' | 'val'): Promise<ImageFolder> {
  const folder = join(root, split);
  const entries = await list(folder);
  const classes = entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
  if (classes.length === 0) throw new DataError(`${folder} holds no folders: it has no classes.`, REMEDY);
  const images: FolderImage[] = [];
  const empty: string[] = [];
  for (const [label, name] of classes.entries()) {
    const files = await filesBelow(join(folder, name));
    if (files.length === 0) empty.push(name);
    images.push(...files.map((file) => ({ file, label })));
  }
  if (empty.length > 0) {
    throw new DataError(
      `${empty.length} of the ${classes.length} class folders of ${folder} hold no image: ${firstNames(empty)}.`,
      REMEDY,
    );
  }
  return { folder, classes, images };
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = (await list(folder)).sort((a, b) => (a.name < b.name ? -1 : 1));
  const files: string[] = [];
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) files.push(...(await filesBelow(path)));
    else if (ENDINGS.includes(extname(entry.name).toLowerCase())) files.push(path);
  }
  return files;
}

const list = (folder: string) =>
  readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    throw new DataError(`Cannot read ${folder}: ${reasonOf(cause)}.`, REMEDY, { cause });
  });

/** Refuses a folder whose classes are not those expected. @throws DataError */
export function checkFolderClasses({ folder, classes }: ImageFolder, expected: readonly string[], whose: string): void {
  const unknown = classes.filter((name) => !expected.includes(name));
  const missing = expected.filter((name) => !classes.includes(name));
  if (unknown.length + missing.length === 0) return;
  const parts = [
    ...(unknown.length > 0 ? [`only there: ${firstNames(unknown)}`] : []),
    ...(missing.length > 0 ? [`not there: ${firstNames(missing)}`] : []),
  ];
  throw new DataError(
    `The classes of ${folder} are not those of ${whose} (${parts.join('; ')}).`,
    `Give it the ${expected.length} class folders of ${basename(whose)}.`,
  );
}

/** Classes as checkpoints name them: numbered in their order. */
export const datasetClasses = (names: readonly string[]): DatasetClass[] => names.map((name, id) => ({ id, name }));
