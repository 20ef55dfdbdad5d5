import { type Device, functional as F, Tape } from '@cim/runtime';
import type { Cim } from '../cim.ts';
import type { HeadScores } from '../heads/cls-iou-model.ts';
import { type HostImage, type HostProposals, IMAGE_MEAN, IMAGE_STD, uploadRegions } from '../train/sample.ts';

/** One view of test-time augmentation. */
export interface TestPass {
  /** Longer side of the network's input, pixels. */
  readonly size: number;
  readonly flip: boolean;
}

/** Class scores of every proposal, [N, C] without background, averaged over the passes. */
export interface ProposalScores {
  /** Mean over the refinement branches of cls·iou. Zeros when the network has none. */
  readonly refinement: Float32Array;
  /** cls·det of the anti-noise branch. */
  readonly antiNoise: Float32Array;
}

/** Scores proposals as im_detect_all does (lib/core/test.py): every pass resized and flipped from the source image. */
export async function scoreProposals(
  device: Device,
  cim: Cim,
  image: HostImage,
  proposals: HostProposals,
  passes: readonly TestPass[],
): Promise<ProposalScores> {
  const { classes } = cim.config;
  const refinement = new Float32Array(proposals.masks.count * classes);
  const antiNoise = new Float32Array(proposals.masks.count * classes);
  for (const { size, flip } of passes) {
    const scores = device.scope(() => {
      const { width, height, rgb } = image;
      const scale = size / Math.max(width, height);
      const images = F.prepareImage(device, rgb, { width, height, targetSize: size, flip, mean: IMAGE_MEAN, std: IMAGE_STD });
      const regions = uploadRegions(device, [{ proposals, flip, width, scale }]);
      const [{ classifier, detector, refinement }] = cim.forward(new Tape(device, { recording: false }), { images, ...regions });
      return { classifier, detector, refinement: [...refinement] };
    });
    await addScores(scores, classes, passes.length, refinement, antiNoise);
  }
  return { refinement, antiNoise };
}

async function addScores(
  { classifier, detector, refinement: branches }: HeadScores,
  classes: number,
  passes: number,
  refinement: Float32Array,
  antiNoise: Float32Array,
): Promise<void> {
  const pairs = [
    { a: classifier, b: detector, sum: antiNoise, weight: 1 / passes },
    ...branches.map(({ cls, iou }) => ({ a: cls, b: iou, sum: refinement, weight: 1 / (passes * branches.length) })),
  ];
  const products = await Promise.all(pairs.map(async ({ a, b }) => [await a.read(), await b.read()] as const));
  pairs.forEach(({ a, b, sum, weight }, k) => {
    const [x, y] = products[k];
    for (let i = 0; i < sum.length; i++) {
      // The first of the C + 1 columns is background.
      const j = i + Math.floor(i / classes) + 1;
      sum[i] += weight * x[j] * y[j];
    }
    a.dispose();
    b.dispose();
  });
}
