/** Where the stages of a run take an image's proposals from. */
import type { Rle } from '@cim/model/evaluate/rle';
import type { HostProposals } from '@cim/model/train/sample';
import type { LabelledImage } from '../datasets/dataset.ts';

interface Size {
  readonly width: number;
  readonly height: number;
}

/** An image as the stages work on it, in pixels, and its size in the file. */
export interface WorkingSize extends Size {
  readonly original: Size;
}

/** The N proposals of one image. Their order is their identity: labels, scores and results name them by it. */
export interface ImageProposals {
  /** As the network takes them, at the working size. */
  readonly network: HostProposals;
  /** [N, 4]: x1, y1, x2, y2 in pixels of the file, clipped to the image: what is suppressed and written as boxes. */
  readonly boxes: Float32Array;
  /** The mask of proposal `n` at the size of the file. */
  fileMask(n: number): Rle;
}

export interface ProposalSource {
  /** The proposals of an image, or null when it has none: that is reported, once. @throws DataError when they are of another image. */
  load(entry: LabelledImage, size: WorkingSize): Promise<ImageProposals | null>;
}

/** A function of small whole numbers that computes each value once. */
export function memoised<T>(compute: (n: number) => T): (n: number) => T {
  const values: T[] = [];
  return (n) => (values[n] ??= compute(n));
}
