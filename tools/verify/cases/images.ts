import { resizedSize, sourcePositions } from '@cim/kernels';
import { clipBoxes, flipBoxes, packMasks } from '@cim/model/masks/index';
import { OverlapCache } from '@cim/model/masks/overlap-cache';
import { REGION_SIZE } from '@cim/model/region/mask-fuse';
import { uploadBatch, uploadSupervision } from '@cim/model/train/sample';
import { type Device, functional as F, type Tensor } from '@cim/runtime';
import type { CaseKind } from '../case.ts';
import { type Comparison, compare, tolerances } from '../compare.ts';
import type { Golden } from '../golden.ts';

/** One grey level after the normalisation, of the channel with the smallest deviation. */
const GREY_LEVEL = 1 / 255 / 0.224;
/** A resized value so near to a whole grey level may be truncated to either side of it. */
const NEAR = 1e-3;

/** `in.image_bgr` as RGB. */
export function sourceImage(golden: Golden): { rgb: Uint8Array; width: number; height: number } {
  const [height, width] = golden.shape('in.image_bgr');
  const bgr = golden.bytes('in.image_bgr');
  return { rgb: bgr.map((_, i) => bgr[i + 2 - 2 * (i % 3)]), width, height };
}

/** A network input against the original's; `levels` are its grey levels before truncation, [3, h, w]. */
export function compareInput(
  name: string,
  actual: ArrayLike<number>,
  golden: Golden,
  levels: ArrayLike<number>,
): Comparison {
  const expected = golden.data(name);
  const settled = Float32Array.from(actual, (value, i) => {
    const eitherWay =
      Math.abs(levels[i] - Math.round(levels[i])) < NEAR && Math.abs(value - expected[i]) < 1.01 * GREY_LEVEL;
    return eitherWay ? expected[i] : value;
  });
  return compare(name, settled, expected, tolerances.operation);
}

async function checkImage(device: Device, golden: Golden): Promise<Comparison[]> {
  const { rgb, width, height } = sourceImage(golden);
  const targetSize = golden.option('target_size');
  const mean = golden.option<[number, number, number]>('mean_rgb');
  const std = golden.option<[number, number, number]>('std_rgb');
  const image = F.prepareImage(device, rgb, { height, width, targetSize, flip: false, mean, std });
  const resized = golden.data('out.resized_float_bgr');
  const plane = resized.length / 3;
  const levels = resized.map((_, i) => resized[(i % plane) * 3 + 2 - Math.floor(i / plane)]);
  const actual = await image.read();
  image.dispose();
  return [compareInput('out.data', actual, golden, levels)];
}

/** transform_mode "org": B, G, R in grey levels. */
async function checkCaffeImage(device: Device, golden: Golden): Promise<Comparison[]> {
  const source = sourceImage(golden);
  const options = { ...source, targetSize: golden.option('target_size'), flip: false, caffe: true };
  const mean = golden.option<[number, number, number]>('pixel_means_bgr');
  const image = F.prepareImage(device, source.rgb, { ...options, mean, std: [1, 1, 1] });
  const actual = await image.read();
  image.dispose();
  return [compare('out.data', actual, golden.data('out.data'), tolerances.operation)];
}

/** Grey levels [3, h, w] of an image resized bilinearly in f64, not truncated. */
export function resizedLevels(rgb: Uint8Array, width: number, height: number, targetSize: number): Float64Array {
  const out = resizedSize(height, width, targetSize);
  const positions = sourcePositions(height, width, targetSize);
  const levels = new Float64Array(3 * out.height * out.width);
  for (let i = 0; i < levels.length; i++) {
    const [channel, pixel] = [Math.floor(i / (out.height * out.width)), i % (out.height * out.width)];
    const [sy, sx] = [positions[Math.floor(pixel / out.width)], positions[out.height + (pixel % out.width)]];
    const [top, left] = [Math.floor(sy), Math.floor(sx)];
    const at = (y: number, x: number): number =>
      rgb[(Math.min(y, height - 1) * width + Math.min(x, width - 1)) * 3 + channel];
    const row = (y: number): number => at(y, left) * (1 - sx + left) + at(y, left + 1) * (sx - left);
    levels[i] = row(top) * (1 - sy + top) + row(top + 1) * (sy - top);
  }
  return levels;
}

/** The image mirrored left to right. */
const mirrored = (rgb: Uint8Array, width: number): Uint8Array =>
  rgb.map((_, i) => rgb[i + 3 * (width - 1 - 2 * (Math.floor(i / 3) % width))]);

async function checkMinibatch(device: Device, golden: Golden): Promise<Comparison[]> {
  const { rgb, width, height } = sourceImage(golden);
  const targetSize = golden.option('target_size');
  const [count] = golden.shape('in.proposal_boxes');
  const regionMasks = golden.data('in.masks');
  const sample = {
    image: { name: golden.name, rgb, width, height },
    proposals: {
      masks: packMasks(regionMasks, count, REGION_SIZE, REGION_SIZE),
      boxes: clipBoxes(golden.data('in.proposal_boxes'), width, height),
      regionMasks,
    },
    labels: golden.data('in.labels'),
    clusters: golden.data('in.mat'),
  };
  const overlaps = new OverlapCache(device);
  const comparisons: Comparison[] = [];
  for (const [name, flip] of [
    ['plain', false],
    ['flipped', true],
  ] as const) {
    const { images, rois, masks, counts } = uploadBatch(device, [{ sample, view: { flip, targetSize } }]);
    const { labels, clusters } = uploadSupervision(device, sample, overlaps);
    const levels = resizedLevels(flip ? mirrored(rgb, width) : rgb, width, height, targetSize);
    comparisons.push(compareInput(`out.${name}.data`, await images.read(), golden, levels));
    const exact = async (tensor: string, actual: Tensor): Promise<void> => {
      comparisons.push(
        compare(`out.${name}.${tensor}`, await actual.read(), golden.data(`out.${name}.${tensor}`), tolerances.exact),
      );
      actual.dispose();
    };
    await exact('rois', rois);
    await exact('masks', masks);
    await exact('mat', clusters);
    await exact('labels', labels);
    // Proposals are never reordered or dropped.
    const index = Array.from({ length: counts[0] }, (_, n) => n);
    comparisons.push(compare(`out.${name}.index`, index, golden.data(`out.${name}.index`), tolerances.exact));
    images.dispose();
  }
  overlaps.dispose();
  return comparisons;
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

/** prep_image_*, train_minibatch*, boxes_*: what the network is given. */
export const images: CaseKind[] = [
  { pattern: /^prep_image_org/, check: checkCaffeImage },
  { pattern: /^prep_image_/, check: checkImage },
  { pattern: /^train_minibatch/, check: checkMinibatch },
  { pattern: /^boxes_/, check: checkBoxes },
];
