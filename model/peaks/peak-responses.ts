import { type Device, Tape, type Tensor } from '@cim/runtime';
import type { Classifier } from '../classify/classifier.ts';
import { type Peak, peakResponse } from './find-peaks.ts';

/**
 * What in the image a peak of a class's map stands for: the class's evidence at the peak's cell is carried back to the
 * image by excitation back-propagation (PeakResponseMapping.forward, lib/prm/prm_model_gt.py).
 *
 * @param image [1, 3, H, W], normalised.
 * @param peaks with row and column in cells of `Classifier.peakMaps`.
 * @returns a map [H, W] per peak, not negative, with a sum of 1.
 */
export async function peakResponses(
  device: Device,
  classifier: Classifier,
  image: Tensor,
  peaks: readonly Pick<Peak, 'classIndex' | 'row' | 'column'>[],
): Promise<Float32Array[]> {
  if (peaks.length === 0) return [];
  const gradients = device.scope(() => evidence(device, classifier, image, peaks));
  const responses: Float32Array[] = [];
  for (const gradient of gradients) {
    responses.push(peakResponse(await gradient.read(), 3));
    gradient.dispose();
  }
  return responses;
}

/** Records the gradient [1, 3, H, W] of each peak. */
export function evidence(
  device: Device,
  classifier: Classifier,
  image: Tensor,
  peaks: readonly Pick<Peak, 'classIndex' | 'row' | 'column'>[],
): Tensor[] {
  const tape = new Tape(device, { trains: false });
  const input = tape.keep(image.reshape(image.shape));
  input.requiresGrad = true;
  const maps = classifier.peakMaps({ tape, batchStatistics: false, excitation: true }, input);
  const [, , height, width] = maps.shape;
  return peaks.map(({ classIndex, row, column }) => {
    const seed = new Float32Array(maps.size);
    seed[(classIndex * height + row) * width + column] = 1;
    tape.backward(maps, device.tensor(seed, maps.shape), { retain: true });
    return tape.takeGradient(input)!;
  });
}
