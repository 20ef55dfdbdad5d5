import type { Device } from '@cim/runtime';
import type { Cim } from '../cim.ts';
import { type Detection, selectDetections } from '../detect/select-detections.ts';
import type { Recipe } from '../recipe/recipe.ts';
import type { HostImage } from '../train/sample.ts';
import type { ImageProposals } from './image-proposals.ts';
import { type ProposalScores, scoreProposals } from './score-proposals.ts';
import { testPasses } from './test-passes.ts';

/** What the network found in one image, by either of its heads. */
export interface ImageInstances {
  /** Of all proposals. */
  readonly scores: ProposalScores;
  /** By the refinement branches, best first: the method's result. */
  readonly refinement: readonly Detection[];
  /** By the anti-noise branch alone, best first. */
  readonly antiNoise: readonly Detection[];
}

/**
 * The instances of one image.
 *
 * @param image at working size.
 * @param test how it is looked at, and what is kept.
 * @example
 * ```ts
 * import { Cim } from '@cim/model/cim';
 * import { detectInstances } from '@cim/model/infer/detect-instances';
 * import { imageProposals } from '@cim/model/infer/image-proposals';
 * import { proposeMasks } from '@cim/model/proposals/proposals';
 * import { presets } from '@cim/model/recipe/presets';
 * import { Device, Generator } from '@cim/runtime';
 *
 * const device = await Device.open();
 * const generator = new Generator(1);
 * const image = { name: 'noise', width: 64, height: 48, rgb: Uint8Array.from({ length: 9216 }, () => generator.integer(256)) };
 * const found = await proposeMasks(device, image, { superpixels: 24, limit: 10 });
 * const proposals = imageProposals(found, { original: image });
 * const { cim: config, backbone, test } = presets.small;
 * const cim = new Cim(device, { ...config, backbone, classes: 2 }, generator); // weights: cim.parameters.load(…)
 * const { refinement } = await detectInstances(device, cim, image, proposals, test);
 * console.log(refinement.every(({ proposal }) => proposals.fileMask(proposal).size[0] === 48)); // → true
 * await device.close();
 * ```
 */
export async function detectInstances(
  device: Device,
  cim: Cim,
  image: HostImage,
  proposals: Pick<ImageProposals, 'network' | 'boxes'>,
  test: Recipe['test'],
): Promise<ImageInstances> {
  const passes = testPasses(test, Math.max(image.width, image.height));
  const scores = await scoreProposals(device, cim, image, proposals.network, passes);
  const options = { nmsThreshold: test.nmsThreshold, limit: test.detectionsPerImage };
  return {
    scores,
    refinement: selectDetections(scores.refinement, proposals.boxes, options),
    antiNoise: selectDetections(scores.antiNoise, proposals.boxes, options),
  };
}
