/** Files of scores, and which images of a data set they are of. */
import { basename } from 'node:path';
import { DataError, firstNames } from '../errors.ts';
import { readDetectionsPickle } from './detections-pickle.ts';
import { openDetectionTensors } from './detections-tensors.ts';
import { isPickle } from './holds-scores.ts';
import type { ScoreSource } from './scores.ts';

/** Opens `detections.pkl`, `discovery.pkl` or the `.safetensors` of `cim infer`. @throws DataError, CheckpointError */
export const openScores = (path: string): Promise<ScoreSource> =>
  isPickle(path) ? readDetectionsPickle(path) : openDetectionTensors(path);

/** An image of a data set as far as scores are looked up for it. */
export interface KnownImage {
  readonly id: number;
  readonly fileName: string;
}

/**
 * Which of the source's images each image of a data set is, by id or by the end of its path; images without proposals are
 * not in the source and have none.
 *
 * @throws DataError when no image, or images that the data set does not list, are in the source.
 */
export function matchImages(source: ScoreSource, images: readonly KnownImage[]): Map<number, number> {
  const byName = new Map<string, KnownImage[]>();
  for (const image of images) {
    const name = basename(image.fileName);
    byName.set(name, [...(byName.get(name) ?? []), image]);
  }
  const ids = new Set(images.map(({ id }) => id));
  const indices = new Map<number, number>();
  const unknown: string[] = [];
  for (const [index, { file, id }] of source.images.entries()) {
    const path = file.replaceAll('\\', '/');
    const named = byName.get(basename(path)) ?? [];
    const image = named.length > 1 ? named.find(({ fileName }) => path.endsWith(fileName)) : named[0];
    const known = id !== undefined && ids.has(id) ? id : image?.id;
    if (known === undefined) unknown.push(basename(path));
    else indices.set(known, index);
  }
  if (indices.size === 0 || unknown.length > 0) {
    throw new DataError(
      `${unknown.length} of the ${source.images.length} images in ${source.name} are not in the annotations: ${firstNames(unknown)}.`,
      'Use the annotations of the images that were tested.',
    );
  }
  return indices;
}
