/** Resizing of 8 bit images as Pillow does it (`Image.resize`), grey level for grey level. */
import type { RgbImage } from '../image.ts';

/** Of an image or a part of one. */
export interface Size {
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
}

/** Reaches `support` source pixels to either side, times the factor by which the image shrinks: that is the antialiasing. */
interface Filter {
  readonly support: number;
  readonly weight: (distance: number) => number;
}

/** The kernels of `Image.BILINEAR` and `Image.BICUBIC` (a = −0.5). */
const FILTERS = {
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: {
    support: 2,
    weight: (x) => {
      const d = Math.abs(x);
      if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
      return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
    },
  },
} as const satisfies Record<string, Filter>;
/** Pillow's filters by name. */
export type ResampleFilter = keyof typeof FILTERS;

/** Weights are whole numbers of this fraction: 32 bits less 8 of the pixel and 2 of headroom. */
const ONE = 2 ** 22;

/** What makes up one output pixel along an axis: source pixels from `first` on. */
interface Tap {
  readonly first: number;
  readonly weights: Int32Array;
}

function tapsOf(size: number, outSize: number, { support, weight }: Filter): Tap[] {
  const scale = size / outSize;
  const stretch = Math.max(scale, 1);
  const reach = support * stretch;
  return Array.from({ length: outSize }, (_, out) => {
    const centre = (out + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const end = Math.min(size, Math.trunc(centre + reach + 0.5));
    const weights = Array.from({ length: end - first }, (_, i) => weight((first + i - centre + 0.5) / stretch));
    const total = weights.reduce((a, b) => a + b, 0);
    return { first, weights: Int32Array.from(weights, (w) => roundAway((w / total) * ONE)) };
  });
}

const roundAway = (value: number): number => Math.trunc(value + (value < 0 ? -0.5 : 0.5));

/** One pass: output element (line, out, c) is the weighted sum of source elements along an axis of the given strides. */
function resampleAxis(
  source: Uint8Array,
  taps: readonly Tap[],
  { lines, lineStride, step, channels }: { lines: number; lineStride: number; step: number; channels: number },
  target: Uint8ClampedArray,
  { outLineStride, outStep }: { outLineStride: number; outStep: number },
): void {
  for (let line = 0; line < lines; line++) {
    for (let out = 0; out < taps.length; out++) {
      const { first, weights } = taps[out];
      for (let c = 0; c < channels; c++) {
        let sum = ONE / 2;
        for (let i = 0, at = line * lineStride + first * step + c; i < weights.length; i++, at += step)
          sum += source[at] * weights[i];
        target[line * outLineStride + out * outStep + c] = Math.floor(sum / ONE);
      }
    }
  }
}

/**
 * Resizes interleaved bytes [height, width, channels] to [to.height, to.width, channels]: along rows, then along columns,
 * rounded to whole grey levels after each. An axis that keeps its size is not touched.
 */
export function resample(
  bytes: Uint8Array,
  from: Size,
  to: Size,
  { channels, filter }: { channels: number; filter: ResampleFilter },
): Uint8Array {
  let source = bytes;
  if (to.width !== from.width) {
    const target = new Uint8ClampedArray(from.height * to.width * channels);
    const along = { lines: from.height, lineStride: from.width * channels, step: channels, channels };
    const strides = { outLineStride: to.width * channels, outStep: channels };
    resampleAxis(source, tapsOf(from.width, to.width, FILTERS[filter]), along, target, strides);
    source = new Uint8Array(target.buffer);
  }
  if (to.height !== from.height) {
    const row = to.width * channels;
    const target = new Uint8ClampedArray(to.height * row);
    const along = { lines: to.width, lineStride: channels, step: row, channels };
    const strides = { outLineStride: channels, outStep: row };
    resampleAxis(source, tapsOf(from.height, to.height, FILTERS[filter]), along, target, strides);
    source = new Uint8Array(target.buffer);
  }
  return source;
}

/** An RGB image stretched to a size, bilinear with antialiasing: torchvision's `Resize([height, width])` of a PIL image. */
export const stretchImage = (image: RgbImage, to: Size): RgbImage => ({
  width: to.width,
  height: to.height,
  rgb: resample(image.rgb, image, to, { channels: 3, filter: 'bilinear' }),
});
