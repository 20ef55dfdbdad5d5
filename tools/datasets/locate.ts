/** What an annotation file lists, and where on the disk its images are. */
import { statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { DataError, firstNames } from '../errors.ts';
import type { DatasetClass, DatasetImage, ObjectAnnotation } from './dataset.ts';

export interface ListedImage {
  readonly id: number;
  readonly fileName: string;
  readonly width?: number;
  readonly height?: number;
  /** Class indices. */
  labels: readonly number[];
}

/** An annotation file's content, before its images are looked for. */
export interface ImageList {
  readonly classes: readonly DatasetClass[];
  readonly images: readonly (ListedImage & { readonly annotations: readonly ObjectAnnotation[] })[];
}

/** The data set's folder: that of the annotation file, or the one above if it lies in `annotations/`. */
export function datasetRoot(annotationFile: string): string {
  const folder = dirname(resolve(annotationFile));
  return basename(folder) === 'annotations' ? dirname(folder) : folder;
}

/**
 * The absolute path of every listed image, ascending by id. A name is looked for in `JPEGImages/`, `images/`, in a folder
 * named like the split (`train/`, `train2017/`), in the data set's folder itself, then beside the annotation file.
 *
 * @throws DataError that names the first five of all missing files.
 */
export function locateImages(list: ImageList, annotationFile: string, split: string): DatasetImage[] {
  const root = datasetRoot(annotationFile);
  const beside = dirname(resolve(annotationFile));
  const folders = ['JPEGImages', 'images', split, `${split}2017`, `images/${split}`, '.'].map((name) =>
    resolve(root, name),
  );
  const candidates = [...new Set([...folders, beside])];
  const missing: string[] = [];
  let last = candidates[0]; // images lie together: the folder of the previous one is the best guess
  const images = list.images.map((image) => {
    const found = [last, ...candidates].find((folder) => isFile(resolve(folder, image.fileName)));
    if (found === undefined) missing.push(image.fileName);
    else last = found;
    return { ...image, file: resolve(last, image.fileName) };
  });
  if (missing.length > 0) {
    throw new DataError(
      `${missing.length} of the ${images.length} images that ${annotationFile} lists are missing: ${firstNames(missing)}.`,
      `Put them into one of ${candidates.join(', ')}.`,
    );
  }
  return images.sort((a, b) => a.id - b.id);
}

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
