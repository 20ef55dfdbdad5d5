import { clipBoxes, flipBoxes } from '@cim/model/masks/index';
import { type Device, functional as F } from '@cim/runtime';
import type { CaseKind } from '../case.ts';
import { type Comparison, compare, tolerances } from '../compare.ts';
import type { Golden } from '../golden.ts';

/** One grey level after the normalisation, of the channel with the smallest deviation. */
const GREY_LEVEL = 1 / 255 / 0.224;
/** A resized value so near to a whole grey level may be truncated to either side of it. */
const NEAR = 1e-3;

async function checkImage(device: Device, golden: Golden): Promise<Comparison[]> {
  const [height, width] = golden.shape('in.image_bgr');
  const bgr = golden.bytes('in.image_bgr');
  const rgb = bgr.map((_, i) => bgr[i + 2 - 2 * (i % 3)]);
  const targetSize = golden.option('target_size');
  const mean = golden.option<[number, number, number]>('mean_rgb');
  const std = golden.option<[number, number, number]>('std_rgb');
  const image = F.prepareImage(device, rgb, { height, width, targetSize, flip: false, mean, std });
  const expected = golden.data('out.data');
  const levels = golden.data('out.resized_float_bgr');
  const plane = expected.length / 3;
  const actual = Float32Array.from(await image.read(), (value, i) => {
    const level = levels[(i % plane) * 3 + 2 - Math.floor(i / plane)];
    const eitherWay = Math.abs(level - Math.round(level)) < NEAR && Math.abs(value - expected[i]) < 1.01 * GREY_LEVEL;
    return eitherWay ? expected[i] : value;
  });
  image.dispose();
  return [compare('out.data', actual, expected, tolerances.operation)];
}

async function checkBoxes(_device: Device, golden: Golden): Promise<Comparison[]> {
  const boxes = golden.data('in.boxes');
  const flipped = flipBoxes(boxes, golden.option('flip_width'));
  const clipped = clipBoxes(boxes, golden.option('clip_width'), golden.option('clip_height'));
  return [
    compare('out.flip', flipped, golden.data('out.flip'), tolerances.exact),
    compare('out.clip', clipped, golden.data('out.clip'), tolerances.exact),
  ];
}

/** prep_image_*, boxes_*: what the network is given. */
export const images: CaseKind[] = [
  { pattern: /^prep_image_(?!org)/, check: checkImage },
  { pattern: /^boxes_/, check: checkBoxes },
];
