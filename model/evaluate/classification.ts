/** Image-level classification: how well the classes of whole images are ranked. */
import { EvaluationError } from './coco-json.ts';

/** Average precision in [0, 1]. */
export interface ClassificationReport {
  /** Mean over the classes that some image has; −1 if there is none. */
  readonly meanAp: number;
  /** Of shape [C]: average precision, −1 for a class that no image has. */
  readonly apByClass: readonly number[];
}

/**
 * Mean average precision: for each class the mean, over the images that have it, of the precision among all images that
 * score at least as high. Images of equal score count together, so their order does not matter (as in scikit-learn).
 *
 * @param scores [images, classes], any increasing measure.
 * @param labels [images, classes], non-zero where the image has the class.
 * @throws EvaluationError when scores and labels are not of [images, classes].
 */
export function classificationMap(scores: Float32Array, labels: Uint8Array, classes: number): ClassificationReport {
  if (scores.length !== labels.length || scores.length % classes !== 0) {
    throw new EvaluationError(
      `${scores.length} scores and ${labels.length} labels are no table of ${classes} classes.`,
      'Pass both as [images, classes].',
    );
  }
  const apByClass = Array.from({ length: classes }, (_, c) => averagePrecision(scores, labels, classes, c));
  const defined = apByClass.filter((ap) => ap >= 0);
  const meanAp = defined.length === 0 ? -1 : defined.reduce((sum, ap) => sum + ap, 0) / defined.length;
  return { meanAp, apByClass };
}

function averagePrecision(scores: Float32Array, labels: Uint8Array, classes: number, c: number): number {
  const at = (image: number): number => image * classes + c;
  const ranking = Uint32Array.from({ length: scores.length / classes }, (_, image) => image);
  ranking.sort((a, b) => scores[at(b)] - scores[at(a)]);
  let [sum, positives] = [0, 0];
  for (let start = 0, end = 0; start < ranking.length; start = end) {
    const before = positives;
    for (; end < ranking.length && scores[at(ranking[end])] === scores[at(ranking[start])]; end++) {
      if (labels[at(ranking[end])] !== 0) positives++;
    }
    sum += (positives - before) * (positives / end);
  }
  return positives === 0 ? -1 : sum / positives;
}
