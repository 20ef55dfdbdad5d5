import { type Device, functional as F, type Generator, type Tensor } from '@cim/runtime';
import type { LabelledSample } from '../cim.ts';
import { flipBoxes, flipRegionMasks, maskOverlaps, type PackedMasks, uploadMasks } from '../masks/index.ts';
import { REGION_SIZE } from '../region/mask-fuse.ts';

/** ImageNet statistics, RGB. */
export const IMAGE_MEAN: readonly [number, number, number] = [0.485, 0.456, 0.406];
export const IMAGE_STD: readonly [number, number, number] = [0.229, 0.224, 0.225];

/** A decoded image. */
export interface HostImage {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  /** RGB, 8 bits, row-major [H, W, 3]. */
  readonly rgb: Uint8Array;
}

/** The N proposals of one image. */
export interface HostProposals {
  readonly masks: PackedMasks;
  /** [N, 4]: x1, y1, x2, y2 in image pixels, clipped to the image. */
  readonly boxes: Float32Array;
  /** [N, 7, 7]: share of each cell of the box that the mask covers. */
  readonly regionMasks: Float32Array;
}

/** What training knows of one image. C classes. */
export interface HostSample {
  readonly image: HostImage;
  readonly proposals: HostProposals;
  /** [C], 0 or 1. */
  readonly labels: Float32Array;
  /** [N, C+1] cluster numbers. */
  readonly clusters: Float32Array;
}

/** Colour jitter: brightness is multiplied and shifted, every channel scaled, all uniformly within ± these. */
export interface ColourJitter {
  readonly brightness: number;
  readonly offset: number;
  readonly channel: number;
}

/** A random view of an image. Scale and shift are 1 and 0 where geometry must stay. */
export interface Augmentation {
  readonly flip: boolean;
  readonly scale: number;
  readonly shiftX: number;
  readonly shiftY: number;
  readonly brightness: number;
  readonly offset: number;
  readonly channels: readonly [number, number, number];
}

/** Draws a view. `geometry` adds scale within ±`geometry.scale` and shifts within ±`geometry.shift` of the size. */
export function drawAugmentation(
  generator: Generator,
  jitter: ColourJitter,
  geometry: { scale: number; shift: number } = { scale: 0, shift: 0 },
): Augmentation {
  const around = (centre: number, spread: number): number => centre + spread * (2 * generator.uniform() - 1);
  return {
    flip: generator.uniform() < 0.5,
    scale: around(1, geometry.scale),
    shiftX: around(0, geometry.shift),
    shiftY: around(0, geometry.shift),
    brightness: around(1, jitter.brightness),
    offset: around(0, jitter.offset),
    channels: [around(1, jitter.channel), around(1, jitter.channel), around(1, jitter.channel)],
  };
}

/** The augmented, normalised image, [1, 3, H, W]. */
export function uploadImage(device: Device, { rgb, width, height }: HostImage, augmentation: Augmentation): Tensor {
  return F.augmentImage(device, rgb, { width, height, ...augmentation, mean: IMAGE_MEAN, std: IMAGE_STD });
}

/** Boxes and masks as the network takes them; mirrored for a flipped image of this width. */
export function uploadRegions(
  device: Device,
  { masks: { count }, boxes, regionMasks }: HostProposals,
  { flip, width, scale = 1 }: { flip: boolean; width: number; scale?: number },
): { rois: Tensor; masks: Tensor } {
  const placed = flip ? flipBoxes(boxes, width) : boxes;
  const rois = new Float32Array(count * 5);
  for (let n = 0; n < count; n++) for (let k = 0; k < 4; k++) rois[n * 5 + 1 + k] = placed[n * 4 + k] * scale;
  return {
    rois: device.tensor(rois, [count, 5]),
    masks: device.tensor(flip ? flipRegionMasks(regionMasks) : regionMasks, [count, REGION_SIZE, REGION_SIZE]),
  };
}

/** A training sample; mask overlaps are the same for a flipped image. */
export function uploadSample(device: Device, sample: HostSample, augmentation: Augmentation): LabelledSample {
  const { image, proposals, labels, clusters } = sample;
  const { masks } = proposals;
  return {
    image: uploadImage(device, image, augmentation),
    ...uploadRegions(device, proposals, { flip: augmentation.flip, width: image.width }),
    labels: device.tensor(labels),
    clusters: device.tensor(clusters, [masks.count, labels.length + 1]),
    ...maskOverlaps(device, uploadMasks(device, masks)),
  };
}
