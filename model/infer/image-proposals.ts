/** The proposals of one image as inference and training take them. */

import { encodeRle, type Rle } from '../evaluate/rle.ts';
import { clipBoxes, cropPackedMaskArea, scaledBoxes, scaledMask } from '../masks/index.ts';
import type { Size } from '../prm/resample.ts';
import { packProposals, proposalBoxes, proposalMask } from '../proposals/masks.ts';
import type { Proposals } from '../proposals/proposals.ts';
import { REGION_SIZE } from '../region/mask-fuse.ts';
import type { HostProposals } from '../train/sample.ts';

/** An image as the stages work on it, in pixels, and its size in the file. */
export interface WorkingSize extends Size {
  /** Pixels of the file. */
  readonly original: Size;
}

/** The N proposals of one image. Their order is their identity: labels, scores and results name them by it. */
export interface ImageProposals {
  /** As the network takes them, at the working size. */
  readonly network: HostProposals;
  /** Of shape [N, 4]: x1, y1, x2, y2 in pixels of the file, clipped to the image: what is suppressed and written as boxes. */
  readonly boxes: Float32Array;
  /** The mask of proposal `n` at the size of the file. */
  fileMask(n: number): Rle;
}

/** Proposals found in an image of working size. */
export function imageProposals(proposals: Proposals, { original }: Pick<WorkingSize, 'original'>): ImageProposals {
  const { width, height, count } = proposals;
  const boxes = proposalBoxes(proposals);
  const masks = { words: packProposals(proposals), count, width, height };
  const regionMasks = new Float32Array(count * REGION_SIZE ** 2);
  for (let n = 0; n < count; n++) {
    const [x1, y1, x2, y2] = boxes.subarray(4 * n, 4 * n + 4);
    regionMasks.set(cropPackedMaskArea(masks, n, [x1, y1, x2, y2]), n * REGION_SIZE ** 2);
  }
  return {
    network: { masks, boxes: clipBoxes(boxes, width, height), regionMasks },
    boxes: clipBoxes(scaledBoxes(boxes, proposals, original), original.width, original.height),
    fileMask: memoised((n) => {
      const mask = scaledMask(proposalMask(proposals, n), proposals, original);
      return encodeRle(mask, original.height, original.width);
    }),
  };
}

/** A function of small whole numbers that computes each value once. */
export function memoised<T>(compute: (n: number) => T): (n: number) => T {
  const values: T[] = [];
  return (n) => (values[n] ??= compute(n));
}
