import * as kernels from '@cim/kernels';
import type { Device } from '../device.ts';
import { ShapeError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';

function upload(device: Device, rgb: Uint8Array, height: number, width: number): Tensor {
  if (rgb.length !== height * width * 3) {
    throw new ShapeError(`An RGB image of ${height}×${width} has ${height * width * 3} bytes; got ${rgb.length}.`);
  }
  return device.tensor(kernels.packBytes(rgb));
}

/**
 * Resizes an RGB image, bytes [H, W, 3], so that its longer side is `targetSize`, and normalises it → [1, 3, h, w].
 * `kernels.resizedSize` tells the size and the factor for boxes. `flip` mirrors the source first.
 *
 * @throws ShapeError when the number of bytes is not 3·H·W.
 */
export function prepareImage(device: Device, rgb: Uint8Array, options: kernels.Preparation): Tensor {
  const { height, width, targetSize } = options;
  const out = kernels.resizedSize(height, width, targetSize);
  const words = upload(device, rgb, height, width);
  const positions = device.tensor(kernels.sourcePositions(height, width, targetSize));
  const y = device.empty([1, 3, out.height, out.width]);
  device.run(kernels.prepareImage(options), { rgb: words, positions, y });
  words.dispose();
  positions.dispose();
  return y;
}

/**
 * Zooms, shifts and recolours an RGB image, bytes [H, W, 3], and normalises it → [1, 3, H, W].
 *
 * @throws ShapeError when the number of bytes is not 3·H·W.
 */
export function augmentImage(
  device: Device,
  rgb: Uint8Array,
  options: kernels.ImageShape & kernels.Augmentation & kernels.Normalisation,
): Tensor {
  const { height, width } = options;
  const words = upload(device, rgb, height, width);
  const y = device.empty([1, 3, height, width]);
  device.run(kernels.augmentImage(options), { rgb: words, y });
  words.dispose();
  return y;
}
