import { type Device, Tape, type Tensor } from '@cim/runtime';
import type { Classifier } from '../classify/classifier.ts';
import { findPeaks, type Peak } from './find-peaks.ts';

/** Where the classes of one image are. */
export interface LocatedPeaks {
  /** In cells of the maps. */
  readonly peaks: readonly Peak[];
  /** Of shape [C, height, width]: the classes' response maps, `Classifier.peakMaps`. */
  readonly maps: { readonly values: Float32Array; readonly height: number; readonly width: number };
  /** Of shape [C]: above 0 for a class that the image rather shows than not. */
  readonly scores: Float32Array;
}

/**
 * Looks for the peaks of an image's classes.
 *
 * @param image [1, 3, H, W], normalised.
 * @param options `labels`: class indices, each of which gets a peak; null: the classes that score 0 or more, as far as they
 *   have peaks above the threshold.
 *   `threshold`: response above which every peak counts.
 */
export async function locatePeaks(
  device: Device,
  classifier: Classifier,
  image: Tensor,
  { labels, threshold }: { labels: readonly number[] | null; threshold: number },
): Promise<LocatedPeaks> {
  const located = device.scope(() => classifier.locate(new Tape(device, { recording: false }), image));
  const [, , height, width] = located.maps.shape;
  const [scores, values, peakMap] = (await Promise.all([
    located.scores.read(),
    located.maps.read(),
    located.peakMap.read(),
  ])) as [Float32Array, Float32Array, Uint32Array];
  for (const tensor of Object.values(located)) tensor.dispose();
  const classes = labels ?? [...scores.keys()].filter((c) => scores[c] >= 0);
  const found = findPeaks({ values, peakMap, height, width }, classes, threshold, { everyClass: labels !== null });
  // The maps may reach over the right and bottom borders.
  const [, , imageHeight, imageWidth] = image.shape;
  const [rows, columns] = [imageHeight / classifier.cellSize, imageWidth / classifier.cellSize];
  const peaks = found.filter(({ row, column }) => row < rows && column < columns);
  return { peaks, maps: { values, height, width }, scores };
}
