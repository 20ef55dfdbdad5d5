import type { ImageNetClassifier } from '@cim/model/classify/imagenet';
import { CheckpointError, firstNames } from '../errors.ts';
import { openStateDict } from '../formats/state-file.ts';
import { checkpointKind, readCheckpoint } from '../pipeline/checkpoint.ts';
import { loadTrained } from '../pipeline/checkpoint-content.ts';
import type { Reporter } from '../pipeline/context.ts';
import { asFloat32, describeLoaded, loadPublishedWeights } from '../weights/published.ts';
import { datasetClasses } from './image-folder.ts';

/**
 * Loads all weights of a classifier: from a checkpoint of `cim imagenet train`, whose classes must be `classes`, or from
 * published weights, whose classes are these many in the order of their folders.
 *
 * @throws CheckpointError when the file is damaged, has other classes or another architecture, or lacks weights.
 */
export async function loadImageNetWeights(
  file: string,
  { parameters }: ImageNetClassifier,
  classes: readonly string[],
  report: Pick<Reporter, 'info'>,
): Promise<void> {
  if (file.endsWith('.safetensors') && (await checkpointKind(file)) !== null) {
    await loadTrained(await readCheckpoint(file, 'imagenet'), { classes: datasetClasses(classes) }, parameters);
    return;
  }
  const published = await loadPublishedWeights(parameters, file);
  const missing = new Set(published.missing);
  // VGG's three linear layers are part of no other network, so they are not taken where a network has a `classifier.0`.
  const state = await openStateDict(file);
  const linear = [...state].filter(([name]) => missing.has(name));
  await parameters.load(new Map(linear.map(([name, array]) => [name, asFloat32(array)])), { strict: false });
  for (const [name] of linear) missing.delete(name);
  if (missing.size > 0) {
    throw new CheckpointError(
      `${file} (${published.title}) lacks ${missing.size} weights of the classifier: ${firstNames([...missing])}.`,
      'Give weights of the whole classifier, not of the backbone alone.',
    );
  }
  report.info(describeLoaded(published));
}
