/** The networks that a recipe describes. */
import type { Device, Generator } from '@cim/runtime';
import { Cim } from '../cim.ts';
import { Classifier } from '../classify/classifier.ts';
import type { Recipe } from './recipe.ts';

/** @param generator draws initial values; null leaves them unset, for all of them will be loaded. */
export const createCim = (
  device: Device,
  { cim, backbone }: Pick<Recipe, 'cim' | 'backbone'>,
  classes: number,
  generator: Generator | null,
): Cim => new Cim(device, { ...cim, classes, backbone }, generator);

/** The classifier of stage 1. @param generator as for {@link createCim}. */
export const createClassifier = (
  device: Device,
  { classifier, backbone }: Pick<Recipe, 'classifier' | 'backbone'>,
  classes: number,
  generator: Generator | null,
): Classifier =>
  new Classifier(
    device,
    { classes, backbone: classifier.backbone ?? backbone, pooling: classifier.pooling },
    generator,
  );
