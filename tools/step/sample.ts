import { clipBoxes, cropPackedMaskArea, packedMaskBox, packMasks } from '@cim/model/masks/index';
import type { HostSample } from '@cim/model/train/sample';
import { Generator } from '@cim/runtime';

export interface SampleSize {
  /** Of the image, pixels. */
  readonly width: number;
  readonly height: number;
  readonly proposals: number;
  readonly classes: number;
}

/** A made-up training image: noise, rectangles as proposals, one class, whose cluster the first proposals are. */
export function madeUpSample({ width, height, proposals, classes }: SampleSize): HostSample {
  const generator = new Generator(1);
  const rgb = Uint8Array.from({ length: width * height * 3 }, () => generator.integer(256));
  const bytes = new Uint8Array(proposals * width * height);
  const maskOf = (n: number): Uint8Array => bytes.subarray(n * width * height, (n + 1) * width * height);
  const boxes: number[] = [];
  for (let n = 0; n < proposals; n++) {
    const [w, h] = [width, height].map((side) => Math.ceil(side / 4) + generator.integer(Math.ceil(side / 2)));
    const [x, y] = [generator.integer(width - w + 1), generator.integer(height - h + 1)];
    for (let row = y; row < y + h; row++) maskOf(n).fill(1, row * width + x, row * width + x + w);
    boxes.push(x, y, x + w, y + h);
  }
  const masks = packMasks(bytes, proposals, width, height);
  const regionMasks = Array.from({ length: proposals }, (_, n) => [
    ...cropPackedMaskArea(masks, n, packedMaskBox(masks, n)!),
  ]);
  const label = generator.integer(classes);
  const labels = new Float32Array(classes);
  labels[label] = 1;
  const clusters = new Float32Array(proposals * (classes + 1));
  for (let n = 0; n < Math.ceil(proposals / 4); n++) clusters[n * (classes + 1) + label + 1] = 1;
  return {
    image: { name: 'made up', width, height, rgb },
    proposals: {
      masks,
      boxes: clipBoxes(boxes, width, height),
      regionMasks: Float32Array.from(regionMasks.flat()),
    },
    labels,
    clusters,
  };
}
