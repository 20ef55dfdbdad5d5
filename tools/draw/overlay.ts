/** Instances over their picture: translucent fill, contour, and a label with the score. */
import type { RgbImage } from '@cim/model/image';
import { blend } from './blend.ts';
import { classColour, type Rgb } from './palette.ts';
import { drawText, textSize } from './text.ts';

export interface DrawnInstance {
  /** Row-major [height, width] of the picture; zero is background. */
  readonly mask: Uint8Array;
  /** [x1, y1, x2, y2], pixels, exclusive ends; drawn where given. */
  readonly box?: readonly [number, number, number, number];
  /** Decides the colour. */
  readonly classIndex: number;
  /** Stands on the instance, with the score; empty for no label. */
  readonly className: string;
  readonly score?: number;
  /** Without the translucent fill. */
  readonly contourOnly?: boolean;
}

const FILL_OPACITY = 0.36;

/**
 * Draws the instances, the first one lowest, on a copy of the picture that is `zoom` (an integer) times as large. Lines
 * and labels grow with the result, so that they suit pictures of any size.
 *
 * @throws RangeError when a mask does not have the picture's size.
 */
export function drawInstances(image: RgbImage, instances: readonly DrawnInstance[], zoom = 1): RgbImage {
  const canvas = enlarged(image, zoom);
  const unit = Math.max(1, Math.round(Math.min(canvas.width, canvas.height) / 250));
  for (const instance of instances) {
    if (instance.mask.length !== image.width * image.height) {
      throw new RangeError(
        `A mask of ${instance.mask.length} pixels on a picture of ${image.width} × ${image.height}.`,
      );
    }
    drawMask(canvas, instance, image.width, zoom, unit);
    if (instance.box)
      drawBox(
        canvas,
        instance.box.map((value) => value * zoom),
        classColour(instance.classIndex),
        unit,
      );
  }
  for (const instance of instances) if (instance.className !== '') drawLabel(canvas, instance, image.width, zoom, unit);
  return canvas;
}

function enlarged({ width, height, rgb }: RgbImage, zoom: number): RgbImage {
  const [w, h] = [width * zoom, height * zoom];
  const pixels = new Uint8Array(w * h * 3);
  for (let y = 0, i = 0; y < h; y++) {
    for (let x = 0; x < w; x++, i += 3) {
      const from = (Math.floor(y / zoom) * width + Math.floor(x / zoom)) * 3;
      pixels[i] = rgb[from];
      pixels[i + 1] = rgb[from + 1];
      pixels[i + 2] = rgb[from + 2];
    }
  }
  return { width: w, height: h, rgb: pixels };
}

function drawMask(
  canvas: RgbImage,
  { mask, classIndex, contourOnly }: DrawnInstance,
  maskWidth: number,
  zoom: number,
  line: number,
): void {
  const { width, height } = canvas;
  const colour = classColour(classIndex);
  const inside = (x: number, y: number): boolean =>
    x >= 0 && y >= 0 && x < width && y < height && mask[Math.floor(y / zoom) * maskWidth + Math.floor(x / zoom)] !== 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!inside(x, y)) continue;
      const core = inside(x - line, y) && inside(x + line, y) && inside(x, y - line) && inside(x, y + line);
      if (!core) blend(canvas, x, y, colour, 1);
      else if (!contourOnly) blend(canvas, x, y, colour, FILL_OPACITY);
    }
  }
}

function drawBox(canvas: RgbImage, [x1, y1, x2, y2]: readonly number[], colour: Rgb, line: number): void {
  const [left, top, right, bottom] = [Math.round(x1), Math.round(y1), Math.round(x2), Math.round(y2)];
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      const edge = x < left + line || x >= right - line || y < top + line || y >= bottom - line;
      if (edge) blend(canvas, x, y, colour, 1);
    }
  }
}

/** The label stands on the top left corner of the instance, moved to where it is inside the picture. */
function drawLabel(canvas: RgbImage, instance: DrawnInstance, maskWidth: number, zoom: number, unit: number): void {
  const corner = instance.box ?? topLeft(instance.mask, maskWidth);
  if (!corner) return;
  const { className, score, classIndex } = instance;
  const text = score === undefined ? className : `${className} ${score.toFixed(2)}`;
  const size = textSize(text, unit);
  const clip = (value: number, limit: number): number => Math.max(0, Math.min(Math.round(value), limit));
  const left = clip(corner[0] * zoom, canvas.width - size.width);
  const top = clip(corner[1] * zoom - size.height, canvas.height - size.height);
  drawText(canvas, text, { left, top, unit, paper: classColour(classIndex) });
}

/** The mask's top row and leftmost column, or undefined when it is empty. */
function topLeft(mask: Uint8Array, width: number): [number, number] | undefined {
  const first = mask.findIndex((pixel) => pixel !== 0);
  if (first < 0) return undefined;
  let left = width;
  for (let i = first; i < mask.length; i++) if (mask[i] !== 0) left = Math.min(left, i % width);
  return [left, Math.floor(first / width)];
}
