/** The networks that a recipe describes; generator and options are those of {@link ParameterStore}. */
import type { Device, Generator } from '@cim/runtime';
import { Cim } from '../cim.ts';
import { Classifier } from '../classify/classifier.ts';
import type { StoreOptions } from '../nn/parameters.ts';
import type { Recipe } from './recipe.ts';

/** The network of stage 3. */
export const createCim = (
  device: Device,
  { cim, backbone }: Pick<Recipe, 'cim' | 'backbone'>,
  classes: number,
  generator: Generator | null,
  options?: StoreOptions,
): Cim => new Cim(device, { ...cim, classes, backbone }, generator, options);

/** The classifier of stage 1. */
export const createClassifier = (
  device: Device,
  { classifier, backbone }: Pick<Recipe, 'classifier' | 'backbone'>,
  classes: number,
  generator: Generator | null,
  options?: StoreOptions,
): Classifier => {
  const config = { classes, backbone: classifier.backbone ?? backbone, pooling: classifier.pooling };
  return new Classifier(device, config, generator, options);
};
