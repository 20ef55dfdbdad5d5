/** Heat maps over pictures. */
import type { RgbImage } from '@cim/model/image';
import { resample, type Size } from '@cim/model/prm/index';
import { blend } from './blend.ts';
import type { Rgb } from './palette.ts';

/** Dark to bright, so that it also reads in grey: points of matplotlib's "inferno" at equal distances. */
const INFERNO: readonly Rgb[] = [
  [0, 0, 4],
  [51, 10, 95],
  [120, 28, 109],
  [187, 55, 84],
  [237, 105, 37],
  [251, 180, 26],
  [252, 255, 164],
];

/** The colour of a heat from 0 to 1. */
function heatColour(heat: number): Rgb {
  const place = Math.max(0, Math.min(heat, 1)) * (INFERNO.length - 1);
  const index = Math.min(Math.floor(place), INFERNO.length - 2);
  const channel = (c: 0 | 1 | 2): number => {
    const [from, to] = [INFERNO[index][c], INFERNO[index + 1][c]];
    return Math.round(from + (place - index) * (to - from));
  };
  return [channel(0), channel(1), channel(2)];
}

/** A map [height, width] at the size of a picture, its range stretched to 0 … 1; a flat one is 0. Smoothed by 1/255. */
export function heatOf(map: Size & { readonly values: Float32Array }, size: Size): Float32Array {
  const least = map.values.reduce((a, b) => Math.min(a, b), Infinity);
  const range = map.values.reduce((a, b) => Math.max(a, b), -Infinity) - least;
  // Loops: typed arrays' from() goes through an iterator, which is several times slower.
  const bytes = new Uint8Array(map.values.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = ((map.values[i] - least) / (range || 1)) * 255 + 0.5;
  const resized = resample(bytes, map, size, { channels: 1, filter: 'bilinear' });
  const heat = new Float32Array(resized.length);
  for (let i = 0; i < heat.length; i++) heat[i] = resized[i] / 255;
  return heat;
}

/** A copy of the picture under heat [height, width] of 0 … 1. @param opacity of the colours */
export function drawHeat(image: RgbImage, heat: Float32Array, opacity: number): RgbImage {
  const canvas = { ...image, rgb: image.rgb.slice() };
  for (let y = 0, i = 0; y < image.height; y++) {
    for (let x = 0; x < image.width; x++, i++) blend(canvas, x, y, heatColour(heat[i]), opacity);
  }
  return canvas;
}
