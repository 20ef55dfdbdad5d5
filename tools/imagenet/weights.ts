import type { ImageNetClassifier } from '@cim/model/classify/imagenet';
import { loadTrained, readCheckpoint } from '../pipeline/checkpoint.ts';
import { datasetClasses } from './imagenet.ts';

export async function loadImageNetWeights(
  file: string,
  { parameters }: ImageNetClassifier,
  classes: readonly string[],
): Promise<void> {
  await loadTrained(await readCheckpoint(file, 'imagenet'), { classes: datasetClasses(classes) }, parameters);
}
