import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Kernel } from '@cim/kernels/kernel';
import type { Recipe } from '@cim/model/recipe/recipe';
import { Device, type WarmUpOptions, warmUp } from '@cim/runtime';
import { cacheFolder } from '@cim/runtime/platform/software/cache';
import { objectClasses } from '../demo-data/objects.ts';
import { DEMO_SIZE } from '../demo-data/write.ts';
import { writeFileAtomic } from '../formats/atomic.ts';
import {
  type RecipeSizes,
  rehearseClassifier,
  rehearseClassifierTraining,
  rehearseNetwork,
  rehearseProposals,
} from './rehearse.ts';

/** Of an image, about, where proposals come with the data set. */
const COB_PROPOSALS = 200;

interface RunSizes {
  /** Of most images, pixels. */
  readonly width: number;
  readonly height: number;
  /** Without the background. */
  readonly classes: number;
}

/** {@link warmUpRecipe} for the demo, whose sizes are known before it is drawn. */
export const warmUpDemo = (device: Device, recipe: Recipe): Promise<void> =>
  warmUpRecipe(device, recipe, { ...DEMO_SIZE, classes: objectClasses.length });

/**
 * Begins to compile the kernels of a recipe in the order that its stages need them, beside whatever `device` does, until
 * `stopWarmUp`; those that an earlier run compiled are in the driver's cache. It only saves time: kernels that are not
 * ready when they are needed are compiled then.
 *
 * Resolves when those that train the classifier are ready: until then a run has nothing better to do than to wait.
 */
export async function warmUpRecipe(device: Device, recipe: Recipe, own: RunSizes): Promise<void> {
  if (device.adapter.driver !== 'lavapipe') return;
  const proposals = recipe.proposals.type === 'superpixels' ? recipe.proposals.limit : COB_PROPOSALS;
  try {
    const { first, others } = await kernelsOf(device, { ...own, recipe, proposals });
    await warmUpNew(device, first, { queues: availableParallelism() });
    warmUpNew(device, others).catch(() => {});
  } catch {
    // What fails here fails again, with its reason, where it is needed.
  }
}

/** The kernels, found on a device of their own: the run's own neither waits nor counts the memory. */
async function kernelsOf({ options }: Device, sizes: RecipeSizes): Promise<Record<'first' | 'others', Kernel[]>> {
  const device = await Device.open({ ...options, driver: 'lavapipe', trace: false });
  try {
    return {
      first: device.kernelsOf(() => rehearseClassifierTraining(device, sizes)),
      others: device.kernelsOf(() => {
        rehearseProposals(device, sizes);
        rehearseClassifier(device, sizes);
        rehearseNetwork(device, sizes);
      }),
    };
  } finally {
    await device.close();
  }
}

/** Where the driver keeps compiled kernels, hashes of those that it was given. */
const knownFile = (): string => join(process.env.MESA_SHADER_CACHE_DIR ?? cacheFolder(), 'warmed-up.json');

async function warmUpNew(device: Device, kernels: readonly Kernel[], options?: WarmUpOptions): Promise<void> {
  const known = readKnown();
  const hashes = new Map(kernels.map((kernel) => [hashOf(device, kernel), kernel]));
  for (const hash of known) hashes.delete(hash);
  if (hashes.size === 0) return;
  if (!(await warmUp(device, [...hashes.values()], options))) return;
  await writeFileAtomic(knownFile(), JSON.stringify([...new Set([...readKnown(), ...hashes.keys()])]));
}

const hashOf = ({ adapter }: Device, { wgsl }: Kernel): string =>
  createHash('sha256').update(adapter.description).update(wgsl).digest('base64url');

function readKnown(): readonly string[] {
  try {
    return existsSync(knownFile()) ? JSON.parse(readFileSync(knownFile(), 'utf8')) : [];
  } catch {
    return []; // damaged: all are compiled again, which costs time alone
  }
}
