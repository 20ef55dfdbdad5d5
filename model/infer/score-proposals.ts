import { type Device, functional as F, Tape, type Tensor } from '@cim/runtime';
import { type Cim, type CimConfig, usesMaskIou } from '../cim.ts';
import { type HostImage, type HostProposals, IMAGE_MEAN, IMAGE_STD, stack, uploadRegions } from '../train/sample.ts';
import type { TestPass } from './test-passes.ts';

/** Class scores of every proposal, [N, C] without background, averaged over the passes. */
export interface ProposalScores {
  /**
   * Mean over the refinement branches of cls·iou, or of cls alone where they do not learn the mask IoU; for WSDDN, whose
   * refinement branches do not learn, the scores of the anti-noise branch.
   */
  readonly refinement: Float32Array;
  /** cls·det of the anti-noise branch. */
  readonly antiNoise: Float32Array;
  /** Mean over the refinement branches of the mask IoU they predict; null where they do not learn it. */
  readonly maskIou: Float32Array | null;
}

/** Scores proposals as im_detect_all does (lib/core/test.py): every pass resized and flipped from the source image. */
export async function scoreProposals(
  device: Device,
  cim: Cim,
  image: HostImage,
  proposals: HostProposals,
  passes: readonly TestPass[],
): Promise<ProposalScores> {
  const sums = (): Float32Array => new Float32Array(proposals.masks.count * cim.config.classes);
  const maskIou = usesMaskIou(cim.config) ? sums() : null;
  const scores: ProposalScores = { refinement: sums(), antiNoise: sums(), maskIou };
  for (const [size, flips] of viewsBySize(passes)) {
    const blocks = device.scope(() => scoreViews(device, cim, image, proposals, size, flips));
    for (const values of await Promise.all(blocks.map((block) => block.read()))) {
      addScores(values, cim.config, 1 / passes.length, scores);
    }
    for (const block of blocks) block.dispose();
  }
  return scores;
}

/** Views of one size go through the network together. */
export function viewsBySize(passes: readonly TestPass[]): Map<number, boolean[]> {
  const views = new Map<number, boolean[]>();
  for (const { size, flip } of passes) views.set(size, [...(views.get(size) ?? []), flip]);
  return views;
}

/** Records what scores the views of one size; `HeadScores.blocks` of each. */
export function scoreViews(
  device: Device,
  cim: Cim,
  { width, height, rgb }: HostImage,
  proposals: HostProposals,
  size: number,
  flips: readonly boolean[],
): Tensor[] {
  const shape = { width, height, targetSize: size, mean: IMAGE_MEAN, std: IMAGE_STD };
  const images = stack(
    device,
    flips.map((flip) => F.prepareImage(device, rgb, { ...shape, flip })),
  );
  const scale = size / Math.max(width, height);
  const regions = uploadRegions(
    device,
    flips.map((flip) => ({ proposals, flip, width, scale })),
  );
  return cim.forward(new Tape(device, { recording: false }), { images, ...regions }).map(({ blocks }) => blocks);
}

/** Adds `weight` times the scores of one view, from its `HeadScores.blocks`. */
function addScores(
  blocks: ArrayLike<number>,
  config: CimConfig,
  weight: number,
  { refinement, antiNoise, maskIou }: ProposalScores,
): void {
  const { classes, branches, strategy } = config;
  const stride = blocks.length / (2 + 2 * branches);
  const add = (sum: Float32Array, a: number, b: number | null, factor: number): void => {
    for (let i = 0; i < sum.length; i++) {
      // The first of the C + 1 columns is background.
      const at = i + Math.floor(i / classes) + 1;
      sum[i] += factor * blocks[a * stride + at] * (b === null ? 1 : blocks[b * stride + at]);
    }
  };
  add(antiNoise, 0, 1, weight);
  if (strategy === 'wsddn') {
    add(refinement, 0, 1, weight);
  } else {
    for (let k = 0; k < branches; k++) {
      const iou = 2 + branches + k;
      add(refinement, 2 + k, maskIou ? iou : null, weight / branches);
      if (maskIou) add(maskIou, iou, null, weight / branches);
    }
  }
}
