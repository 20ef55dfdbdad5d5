import { type Device, Tape } from '@cim/runtime';
import type { RgbImage } from '../image.ts';
import type { ImageNetClassifier } from './imagenet.ts';
import { networkInput } from './imagenet-input.ts';

/** Logits [B, classes] of images of one size, with frozen statistics. */
export async function classifyImages(
  device: Device,
  classifier: ImageNetClassifier,
  views: readonly RgbImage[],
): Promise<Float32Array> {
  const [{ width, height }] = views;
  const logits = device.scope(() => {
    const images = device.tensor(networkInput(views), [views.length, 3, height, width]);
    return classifier.logits({ tape: new Tape(device, { recording: false }), batchStatistics: false }, images);
  });
  const values = (await logits.read()) as Float32Array;
  logits.dispose();
  return values;
}

/**
 * How many classes come before the right one in each row of logits [B, classes]; below k it is among the first k. Of equal
 * classes the lower index comes first; what is not a number never beats or equals anything, and comes last.
 *
 * @param labels class indices [B].
 */
export function ranks(logits: ArrayLike<number>, labels: ArrayLike<number>): number[] {
  const classes = logits.length / labels.length;
  return Array.from(labels, (label, row) => {
    const own = logits[row * classes + label];
    if (Number.isNaN(own)) return classes - 1;
    let before = 0;
    for (let c = 0; c < classes; c++) {
      const other = logits[row * classes + c];
      if (other > own || (other === own && c < label)) before++;
    }
    return before;
  });
}

/** The share of ranks below k, in percent. */
export const topK = (all: readonly number[], k: number): number =>
  (100 * all.filter((rank) => rank < k).length) / all.length;
