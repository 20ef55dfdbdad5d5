/** Views of an image that classifiers are trained and tested with (torchvision.transforms). */
import type { Generator } from '@cim/runtime';
import type { RgbImage } from '../image.ts';
import { resample, type Size } from '../prm/resample.ts';
import { IMAGE_MEAN, IMAGE_STD } from '../train/sample.ts';

/** A part of an image, in pixels. */
export interface Crop extends Size {
  /** First column. */
  readonly left: number;
  /** First row. */
  readonly top: number;
}

/** Share of the image's area, and width by height, of a random crop. */
const AREA = [0.08, 1] as const;
const ASPECT = [3 / 4, 4 / 3] as const;
const ATTEMPTS = 10;
/** The test image's shorter side, in crop sides: 256 for 224. */
const TEST_MARGIN = 1 / 0.875;

/**
 * RandomResizedCrop: area uniform within 8 to 100 % and the logarithm of the aspect uniform within that of 3/4 to 4/3;
 * where ten draws do not fit, the largest central crop within these aspects.
 */
export function drawCrop(generator: Generator, { width, height }: Size): Crop {
  const between = (low: number, high: number): number => low + (high - low) * generator.uniform();
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const area = width * height * between(...AREA);
    const aspect = Math.exp(between(Math.log(ASPECT[0]), Math.log(ASPECT[1])));
    const w = Math.round(Math.sqrt(area * aspect));
    const h = Math.round(Math.sqrt(area / aspect));
    if (w > 0 && w <= width && h > 0 && h <= height) {
      return { left: generator.integer(width - w + 1), top: generator.integer(height - h + 1), width: w, height: h };
    }
  }
  const aspect = Math.min(Math.max(width / height, ASPECT[0]), ASPECT[1]);
  const w = Math.min(width, Math.max(1, Math.round(height * aspect)));
  const h = Math.min(height, Math.max(1, Math.round(width / aspect)));
  return { left: Math.floor((width - w) / 2), top: Math.floor((height - h) / 2), width: w, height: h };
}

/** A training view: the crop stretched to `size` × `size`, mirrored if `flip`. */
export function cropView(image: RgbImage, crop: Crop, { size, flip }: { size: number; flip: boolean }): RgbImage {
  const square = { width: size, height: size };
  const view = { ...square, rgb: resample(cut(image, crop).rgb, crop, square, { channels: 3, filter: 'bilinear' }) };
  return flip ? mirrored(view) : view;
}

/** The test view: the shorter side brought to `size` / 0.875, then the central square of `size`. */
export function centreView(image: RgbImage, size: number): RgbImage {
  const shorter = Math.trunc(size * TEST_MARGIN);
  const least = Math.min(image.width, image.height);
  const to = {
    width: Math.trunc((shorter * image.width) / least),
    height: Math.trunc((shorter * image.height) / least),
  };
  const rgb = resample(image.rgb, image, to, { channels: 3, filter: 'bilinear' });
  const start = (length: number): number => roundHalfEven((length - size) / 2);
  return cut({ ...to, rgb }, { left: start(to.width), top: start(to.height), width: size, height: size });
}

/** Python's rounding. */
const roundHalfEven = (value: number): number => (value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value));

function cut({ rgb, width }: RgbImage, { left, top, width: w, height: h }: Crop): RgbImage {
  const part = new Uint8Array(w * h * 3);
  for (let row = 0; row < h; row++) {
    const first = ((top + row) * width + left) * 3;
    part.set(rgb.subarray(first, first + w * 3), row * w * 3);
  }
  return { width: w, height: h, rgb: part };
}

function mirrored({ rgb, width, height }: RgbImage): RgbImage {
  const turned = new Uint8Array(rgb.length);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const column = pixel % width;
    const from = 3 * (pixel - column + (width - 1 - column));
    for (let c = 0; c < 3; c++) turned[3 * pixel + c] = rgb[from + c];
  }
  return { width, height, rgb: turned };
}

/** Views of one size as the network takes them: [B, 3, H, W], each channel in [0, 1] less its mean, by its deviation. */
export function networkInput(views: readonly RgbImage[]): Float32Array {
  const pixels = views[0].width * views[0].height;
  const input = new Float32Array(views.length * 3 * pixels);
  views.forEach(({ rgb }, b) => {
    for (let c = 0; c < 3; c++) {
      const scale = 1 / (255 * IMAGE_STD[c]);
      const offset = -IMAGE_MEAN[c] / IMAGE_STD[c];
      const plane = (3 * b + c) * pixels;
      for (let p = 0; p < pixels; p++) input[plane + p] = rgb[3 * p + c] * scale + offset;
    }
  });
  return input;
}
