/** Inference on blank images, for its kernels: they can be compiled before there is an image. */
import type { Kernel } from '@cim/kernels/kernel';
import { type Device, Tape } from '@cim/runtime';
import type { Cim } from '../cim.ts';
import type { Classifier } from '../classify/classifier.ts';
import { classifierInput } from '../classify/input.ts';
import type { RgbImage } from '../image.ts';
import { wordsPerMask } from '../masks/index.ts';
import { evidence } from '../peaks/peak-responses.ts';
import { recordSegmentation } from '../proposals/superpixels.ts';
import { REGION_SIZE } from '../region/mask-fuse.ts';
import type { HostProposals } from '../train/sample.ts';
import { scoreViews, viewsBySize } from './score-proposals.ts';
import type { TestPass } from './test-passes.ts';

interface Size {
  readonly width: number;
  readonly height: number;
}

const blank = ({ width, height }: Size): RgbImage => ({ width, height, rgb: new Uint8Array(3 * width * height) });

/** What `proposeMasks` runs on an image of this size. */
export const proposalKernels = (device: Device, size: Size, superpixels: number): Kernel[] =>
  device.kernelsOf(() => recordSegmentation(device, blank(size), superpixels));

/** What `scoreProposals` runs on an image of this size with `count` proposals. */
export const scoringKernels = (
  device: Device,
  cim: Cim,
  size: Size,
  count: number,
  passes: readonly TestPass[],
): Kernel[] =>
  device.kernelsOf(() => {
    const proposals: HostProposals = {
      masks: { ...size, count, words: new Uint32Array(count * wordsPerMask(size)) },
      boxes: new Float32Array(4 * count),
      regionMasks: new Float32Array(count * REGION_SIZE ** 2),
    };
    const image = { ...blank(size), name: 'blank' };
    for (const [longer, flips] of viewsBySize(passes)) scoreViews(device, cim, image, proposals, longer, flips);
  });

/** What `locatePeaks` runs on an image of this size. */
export const peakKernels = (device: Device, classifier: Classifier, size: Size): Kernel[] =>
  device.kernelsOf(() =>
    classifier.locate(new Tape(device, { recording: false }), classifierInput(device, blank(size))),
  );

/** What `peakResponses` runs on an image of this size. */
export const evidenceKernels = (device: Device, classifier: Classifier, size: Size): Kernel[] =>
  device.kernelsOf(() => {
    const corner = { classIndex: 0, row: 0, column: 0 };
    evidence(device, classifier, classifierInput(device, blank(size)), [corner]);
  });
