import type { RgbImage } from '@cim/model/image';
import type { Rgb } from './palette.ts';

/** Lays a colour over a pixel; pixels outside the picture are left out. */
export function blend({ width, height, rgb }: RgbImage, x: number, y: number, colour: Rgb, opacity: number): void {
  if (x < 0 || y < 0 || x >= width || y >= height) return;
  const at = (y * width + x) * 3;
  for (let c = 0; c < 3; c++) rgb[at + c] = Math.round(rgb[at + c] + opacity * (colour[c] - rgb[at + c]));
}
