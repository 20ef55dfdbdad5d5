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
