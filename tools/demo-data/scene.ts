/** One picture of the demo data set: scenery, one to four objects, light and sensor noise. */

import type { RgbImage } from '@cim/model/image';
import type { Generator } from '@cim/runtime';
import { paintBackground } from './background.ts';
import { between, pick } from './colour.ts';
import { objectClasses, partPaints, unitArea } from './objects.ts';
import { type Canvas, type Coverage, coverage, fill, maskOf, type Pose, place, placePaint } from './raster.ts';

export interface SceneInstance {
  /** Index into `objectClasses`. */
  readonly classIndex: number;
  /** The visible pixels: row-major [height, width] of 0 and 1. */
  readonly mask: Uint8Array;
  /** How many they are. */
  readonly area: number;
}

export interface Scene {
  readonly image: RgbImage;
  readonly instances: readonly SceneInstance[];
}

/** Chances of 1, 2, 3 and 4 objects: 2.3 on average. */
const COUNT_CHANCES = [0.25, 0.35, 0.25, 0.15];
/** Chance that a picture of several objects shows two classes, so that all pictures show 1.2 on average. */
const TWO_CLASSES_CHANCE = 0.27;
/** Area of a whole object as a share of the image. */
const AREA_SHARE = [0.018, 0.092] as const;
/** Share of an object that must stay visible behind other objects and inside the image… */
const MIN_VISIBLE = 0.6;
/** …and the least visible area as a share of the image. */
const MIN_AREA_SHARE = 0.015;
/** Attempts to place an object beside others; the first one is placed in any case. */
const PLACEMENTS = 60;

interface Placed extends SceneInstance {
  readonly wholeArea: number;
}

/** Draws a scene with at least one object of class `classIndex`; the generator decides the rest. */
export function drawScene(classIndex: number, width: number, height: number, generator: Generator): Scene {
  const canvas: Canvas = { width, height, rgb: new Float32Array(width * height * 3) };
  paintBackground(canvas, generator);
  let placed: Placed[] = [];
  for (const index of drawClasses(classIndex, generator)) {
    for (let attempt = 0; attempt < PLACEMENTS || placed.length === 0; attempt++) {
      const next = tryPlacement(canvas, index, placed, generator);
      if (!next) continue;
      placed = next;
      break;
    }
  }
  const instances = placed.map(({ classIndex, mask, area }) => ({ classIndex, mask, area }));
  return { image: { width, height, rgb: develop(canvas, generator) }, instances };
}

/** The class of each object of a picture, `first` leading. */
function drawClasses(first: number, generator: Generator): number[] {
  let chance = generator.uniform();
  const count =
    1 +
    Math.max(
      0,
      COUNT_CHANCES.findIndex((c) => (chance -= c) < 0),
    );
  const second = (first + 1 + generator.integer(objectClasses.length - 1)) % objectClasses.length;
  const both = count > 1 && generator.uniform() < TWO_CLASSES_CHANCE;
  return Array.from({ length: count }, (_, i) => (both && i % 2 === 1 ? second : first));
}

/** Draws an object at a random place over the others, or nothing if too little of any of them would be seen. */
function tryPlacement(
  canvas: Canvas,
  classIndex: number,
  placed: readonly Placed[],
  generator: Generator,
): Placed[] | undefined {
  const { width, height } = canvas;
  const object = objectClasses[classIndex];
  const wholeArea = between(generator, ...AREA_SHARE) * width * height;
  const scale = Math.sqrt(wholeArea / unitArea(object));
  const stretch = between(generator, 0.9, 1.1);
  const pose: Pose = {
    x: between(generator, 0.06, 0.94) * width,
    y: between(generator, 0.06, 0.94) * height,
    scaleX: scale * stretch * pick(generator, [1, -1]),
    scaleY: scale / stretch,
    angle: between(generator, -0.45, 0.45),
  };
  const shapes = object.parts.map(({ shape }) => coverage(place(shape, pose), width, height));
  const mask = maskOf(shapes, width, height);
  const own: Placed = { classIndex, mask, area: count(mask), wholeArea };
  const covered = placed.map((other) => {
    const rest = uncovered(other.mask, mask);
    return { ...other, mask: rest, area: count(rest) };
  });
  const all = [...covered, own];
  const enough = (p: Placed): boolean => p.area >= Math.max(MIN_VISIBLE * p.wholeArea, MIN_AREA_SHARE * width * height);
  if (!all.every(enough)) return undefined;
  for (const shadow of shapes) fill(canvas, shadowOf(shadow, canvas), () => [0, 0, 0], 0.22);
  const paints = partPaints(object, 1 / scale, generator);
  for (const [i, shape] of shapes.entries()) fill(canvas, shape, placePaint(paints[i], pose));
  return all;
}

function count(mask: Uint8Array): number {
  let sum = 0;
  for (const pixel of mask) sum += pixel;
  return sum;
}

/** What of the mask `cover` leaves to be seen. */
function uncovered(mask: Uint8Array, cover: Uint8Array): Uint8Array {
  const rest = new Uint8Array(mask.length);
  for (let i = 0; i < mask.length; i++) rest[i] = mask[i] & ~cover[i];
  return rest;
}

/** The same shape two pixels further down and to the right, inside the canvas. */
function shadowOf(shape: Coverage, { width, height }: Canvas): Coverage {
  const [left, top] = [Math.min(shape.left + 2, width), Math.min(shape.top + 2, height)];
  const [w, h] = [Math.min(shape.width, width - left), Math.min(shape.height, height - top)];
  const alpha = new Float32Array(w * h);
  for (let y = 0; y < h; y++) alpha.set(shape.alpha.subarray(y * shape.width, y * shape.width + w), y * w);
  return { left, top, width: w, height: h, alpha };
}

/** Exposure, darker corners and sensor noise, then 8 bits. */
function develop({ width, height, rgb }: Canvas, generator: Generator): Uint8Array {
  const exposure = between(generator, 0.85, 1.12);
  const grain = between(generator, 0.01, 0.03);
  const tint = [0, 1, 2].map(() => 255 * exposure * between(generator, 0.95, 1.05));
  const pixels = new Uint8Array(rgb.length);
  let word = 1 + generator.integer(2 ** 24 - 1);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const light = 1 - 0.09 * (((2 * x) / width - 1) ** 2 + ((2 * y) / height - 1) ** 2);
      for (let c = 0; c < 3; c++, i++) {
        word ^= word << 13; // xorshift32 (Marsaglia 2003): Philox for every pixel would take a quarter of the time
        word ^= word >>> 17;
        word ^= word << 5;
        const value = rgb[i] * tint[c] * light + 255 * grain * bell(word);
        pixels[i] = Math.min(Math.max(value + 0.5, 0), 255);
      }
    }
  }
  return pixels;
}

/** Nearly normal with deviation 1: the sum of a random word's four bytes, centred (a byte's deviation is 73.9). */
const bell = (word: number): number =>
  ((word & 255) + ((word >>> 8) & 255) + ((word >>> 16) & 255) + (word >>> 24) - 510) / 147.8;
