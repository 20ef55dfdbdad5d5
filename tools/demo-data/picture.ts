/** The pictures of the demo data set, one by one. */
import { Generator } from '@cim/runtime';
import { objectClasses } from './objects.ts';
import { drawScene, type Scene } from './scene.ts';

/** Ids of the validation pictures start here, so that they do not depend on how many others there are. */
export const FIRST_ID = { train: 1, val: 100_001 } as const;
type Split = keyof typeof FIRST_ID;
/** A picture draws far fewer random numbers than this; each starts at a multiple of it. */
const COUNTERS_A_PICTURE = 2 ** 24;

/** Picture `index` of a split; the classes lead in turn. It depends on the seed, the split, the index and the size alone. */
export function demoScene(seed: number, split: Split, index: number, width: number, height: number): Scene {
  return drawScene(
    index % objectClasses.length,
    width,
    height,
    new Generator(seed, (FIRST_ID[split] + index) * COUNTERS_A_PICTURE),
  );
}
