import { type Device, functional as F, type Tensor } from '@cim/runtime';
import type { RgbImage } from '../image.ts';
import { IMAGE_MEAN, IMAGE_STD } from '../train/sample.ts';

/** An image as the classifier takes it at inference: normalised, [1, 3, H, W]. */
export const classifierInput = (device: Device, { rgb, width, height }: RgbImage): Tensor =>
  F.prepareImage(device, rgb, {
    width,
    height,
    targetSize: Math.max(width, height),
    flip: false,
    mean: IMAGE_MEAN,
    std: IMAGE_STD,
  });
