import { type Device, functional as F, type Generator, type Tensor } from '@cim/runtime';
import type { Batch, Supervision } from '../cim.ts';
import type { RgbImage } from '../image.ts';
import { flipBoxes, flipRegionMasks, type HostOverlaps, type OverlapCache, type PackedMasks } from '../masks/index.ts';
import { REGION_SIZE } from '../region/mask-fuse.ts';

/** ImageNet statistics, RGB. */
export const IMAGE_MEAN: readonly [number, number, number] = [0.485, 0.456, 0.406];
/** Standard deviations of ImageNet's channels, R, G, B, of values in [0, 1]. */
export const IMAGE_STD: readonly [number, number, number] = [0.229, 0.224, 0.225];

/** A decoded image. */
export interface HostImage extends RgbImage {
  /** For messages. */
  readonly name: string;
}

/** The N proposals of one image. */
export interface HostProposals {
  /** In the size of the image. */
  readonly masks: PackedMasks;
  /** Of shape [N, 4]: x1, y1, x2, y2 in image pixels, clipped to the image. */
  readonly boxes: Float32Array;
  /** Of shape [N, 7, 7]: share of each cell of the box that the mask covers. */
  readonly regionMasks: Float32Array;
  /** Where they need not be computed. */
  readonly overlaps?: HostOverlaps;
}

/** What training knows of one image. C classes. */
export interface HostSample {
  /** Decoded. */
  readonly image: HostImage;
  /** In any order; clusters are in the same. */
  readonly proposals: HostProposals;
  /** [C], 0 or 1. */
  readonly labels: Float32Array;
  /** [N, C+1] cluster numbers. */
  readonly clusters: Float32Array;
}

/** Colour jitter: brightness is multiplied and shifted, every channel scaled, all uniformly within ± these. */
export interface ColourJitter {
  /** Of the factor of all channels. */
  readonly brightness: number;
  /** Of what is added to all channels, in units of [0, 1]. */
  readonly offset: number;
  /** Of the factor of each channel. */
  readonly channel: number;
}

/** A random view of an image. Scale and shift are 1 and 0 where geometry must stay. */
export interface Augmentation {
  /** Whether the image is mirrored left to right. */
  readonly flip: boolean;
  /** Magnification about the centre. */
  readonly scale: number;
  /** Moves the picture right, as a fraction of the width. */
  readonly shiftX: number;
  /** Moves the picture down, as a fraction of the height. */
  readonly shiftY: number;
  /** Factor of all channels. */
  readonly brightness: number;
  /** Added to all channels after the factors, in [0, 1] units. */
  readonly offset: number;
  /** Factors of R, G and B. */
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

/** One image's part of a batch: which proposals, and the view they are seen in. */
export interface RegionView {
  /** All of the image. */
  readonly proposals: HostProposals;
  /** Whether the image is mirrored left to right. */
  readonly flip: boolean;
  /** Columns of the image that the boxes belong to. */
  readonly width: number;
  /** Factor from its pixels to those of the network's input. */
  readonly scale: number;
}

/** Boxes and masks of a batch as the network takes them, image after image; mirrored where the image is. */
export function uploadRegions(device: Device, views: readonly RegionView[]): Pick<Batch, 'rois' | 'masks' | 'counts'> {
  const counts = views.map(({ proposals }) => proposals.masks.count);
  const total = counts.reduce((a, b) => a + b, 0);
  const rois = new Float32Array(total * 5);
  const masks = new Float32Array(total * REGION_SIZE ** 2);
  let row = 0;
  views.forEach(({ proposals: { boxes, regionMasks }, flip, width, scale }, batch) => {
    masks.set(flip ? flipRegionMasks(regionMasks) : regionMasks, row * REGION_SIZE ** 2);
    const placed = flip ? flipBoxes(boxes, width) : boxes;
    for (let n = 0; n < counts[batch]; n++, row++) {
      rois[row * 5] = batch;
      for (let k = 0; k < 4; k++) rois[row * 5 + 1 + k] = placed[n * 4 + k] * scale;
    }
  });
  return {
    rois: device.tensor(rois, [total, 5]),
    masks: device.tensor(masks, [total, REGION_SIZE, REGION_SIZE]),
    counts,
  };
}

/** How the original sees a training image: mirrored or not, and brought to a longer side of `targetSize` pixels. */
export interface ScaledView {
  /** Whether the image is mirrored left to right. */
  readonly flip: boolean;
  /** Pixels of the longer side. */
  readonly targetSize: number;
}

/** A sample and how it is seen. */
export interface SeenSample {
  /** What is seen. */
  readonly sample: Pick<HostSample, 'image' | 'proposals'>;
  /** How. */
  readonly view: Augmentation | ScaledView;
}

/** Samples as the network is trained on them, a batch: all of one size after their views (get_minibatch, with augmentation). */
export function uploadBatch(device: Device, seen: readonly SeenSample[]): Batch {
  const images = seen.map(({ sample: { image }, view }) => {
    if (!('targetSize' in view)) return uploadImage(device, image, view);
    const { rgb, width, height } = image;
    return F.prepareImage(device, rgb, { width, height, ...view, mean: IMAGE_MEAN, std: IMAGE_STD });
  });
  const regions = seen.map(({ sample: { image, proposals }, view }) => {
    const { width, height } = image;
    // NumPy multiplies float32 boxes in float32.
    const scale = 'targetSize' in view ? Math.fround(view.targetSize / Math.max(width, height)) : 1;
    return { proposals, flip: view.flip, width, scale };
  });
  return { images: stack(device, images), ...uploadRegions(device, regions) };
}

/** The labels of a sample; mask overlaps are the same for a flipped image. */
export function uploadSupervision(
  device: Device,
  { proposals: { masks, overlaps: known }, labels, clusters }: HostSample,
  overlaps: OverlapCache,
): Supervision {
  return {
    labels: device.tensor(labels),
    clusters: device.tensor(clusters, [masks.count, labels.length + 1]),
    ...overlaps.get(masks, known),
  };
}

/** Tensors [1, …] of one shape as one [B, …]; disposes them. */
export function stack(device: Device, tensors: readonly Tensor[]): Tensor {
  if (tensors.length === 1) return tensors[0];
  const [, ...shape] = tensors[0].shape;
  const stacked = device.empty([tensors.length, ...shape]);
  tensors.forEach((tensor, i) => {
    // Copies, unlike bindings, may start at any element.
    const slot = stacked.view(tensor.shape, stacked.offset + i * tensor.bytes);
    device.copy(tensor, slot);
    slot.dispose();
    tensor.dispose();
  });
  return stacked;
}
