/**
 * Inference on blank images, for its kernels: run within `device.kernelsOf`, so that they can be compiled before there is an
 * image.
 */
import { type Device, Tape } from '@cim/runtime';
import type { Cim } from '../cim.ts';
import type { Classifier } from '../classify/classifier.ts';
import { classifierInput } from '../classify/input.ts';
import { wordsPerMask } from '../masks/index.ts';
import { evidence } from '../peaks/peak-responses.ts';
import type { Size } from '../prm/resample.ts';
import { recordSegmentation } from '../proposals/superpixels.ts';
import { REGION_SIZE } from '../region/mask-fuse.ts';
import type { HostImage, HostProposals } from '../train/sample.ts';
import { scoreViews, viewsBySize } from './score-proposals.ts';
import type { TestPass } from './test-passes.ts';

/** An image of this size without anything on it. */
export const blankImage = ({ width, height }: Size): HostImage => ({
  name: 'blank',
  width,
  height,
  rgb: new Uint8Array(3 * width * height),
});

/** What `proposeMasks` runs on an image of this size. */
export function rehearseProposals(device: Device, size: Size, superpixels: number): void {
  device.scope(() => void recordSegmentation(device, blankImage(size), superpixels));
}

/** What `scoreProposals` runs on an image of this size with `count` proposals. */
export function rehearseScoring(
  device: Device,
  cim: Cim,
  { width, height }: Size,
  count: number,
  passes: readonly TestPass[],
): void {
  const size = { width, height };
  const proposals: HostProposals = {
    masks: { ...size, count, words: new Uint32Array(count * wordsPerMask(size)) },
    boxes: new Float32Array(4 * count),
    regionMasks: new Float32Array(count * REGION_SIZE ** 2),
  };
  const image = blankImage(size);
  for (const [longer, flips] of viewsBySize(passes)) {
    device.scope(() => void scoreViews(device, cim, image, proposals, longer, flips));
  }
}

/** What `locatePeaks` runs on an image of this size. */
export function rehearsePeaks(device: Device, classifier: Classifier, size: Size): void {
  device.scope(
    () => void classifier.locate(new Tape(device, { recording: false }), classifierInput(device, blankImage(size))),
  );
}

/** What `peakResponses` runs on an image of this size. */
export function rehearseEvidence(device: Device, classifier: Classifier, size: Size): void {
  const corner = { classIndex: 0, row: 0, column: 0 };
  device.scope(() => void evidence(device, classifier, classifierInput(device, blankImage(size)), [corner]));
}
