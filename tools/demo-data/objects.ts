/**
 * The five classes. Each object is a large plain body in a hue of its own with one small distinctive part in a vivid
 * texture, so that a classifier is drawn to the part while the instance is the whole. In some instances the part is
 * plain too: then the body is the evidence.
 */
import type { Generator } from '@cim/runtime';
import { type Colour, jittered, rgb, scaled } from './colour.ts';
import { coverage, curve, ellipse, maskOf, type Paint, type Point, type Polygon, place, rectangle } from './raster.ts';
import { checks, dots, shaded, stripes } from './texture.ts';

/** A shape and what colours it: the body's colour (times `shade`), the distinctive part's texture, or a colour of its own. */
interface Part {
  readonly shape: Polygon;
  readonly fill: 'body' | 'mark' | Colour;
  readonly shade?: number;
}

export interface ObjectClass {
  readonly name: string;
  readonly body: Colour;
  /** The distinctive part's texture: two colours and how they meet; `soft` is one pixel. */
  readonly mark: (soft: number, colour: (base: Colour) => Colour) => Paint;
  /** In drawing order; about one unit wide and high around the origin, y down. */
  readonly parts: readonly Part[];
}

const mirrored = (points: readonly Point[]): Point[] => [
  ...points,
  ...points.map(([x, y]): Point => [-x, y]).reverse(),
];
const DARK = rgb(45, 42, 48);

const lantern: ObjectClass = {
  name: 'lantern',
  body: rgb(130, 80, 160),
  mark: (soft, colour) => checks(colour(rgb(255, 225, 60)), colour(rgb(240, 90, 20)), 0.11, Math.PI / 4, soft),
  parts: [
    { shape: ellipse(0, -0.5, 0.1, 0.09), fill: DARK },
    {
      shape: mirrored([
        [0.02, -0.46],
        [0.16, -0.44],
        [0.26, -0.32],
      ]),
      fill: 'body',
      shade: 0.72,
    },
    {
      shape: curve(
        mirrored([
          [0.2, -0.36],
          [0.33, -0.12],
          [0.34, 0.12],
          [0.22, 0.36],
        ]),
      ),
      fill: 'body',
    },
    { shape: rectangle(-0.24, 0.33, 0.24, 0.42), fill: 'body', shade: 0.72 },
    { shape: ellipse(0, 0.02, 0.15, 0.19), fill: 'mark' },
  ],
};

const truck: ObjectClass = {
  name: 'truck',
  body: rgb(60, 150, 140),
  mark: (soft, colour) => checks(colour(rgb(250, 245, 235)), colour(rgb(215, 35, 50)), 0.12, 0, soft),
  parts: [
    { shape: rectangle(-0.6, 0.2, 0.58, 0.3), fill: DARK },
    { shape: rectangle(-0.62, -0.34, 0.22, 0.24), fill: 'body' },
    { shape: rectangle(-0.62, -0.34, 0.22, -0.28), fill: 'body', shade: 0.75 },
    {
      shape: [
        [0.25, -0.14],
        [0.46, -0.14],
        [0.6, 0.06],
        [0.6, 0.26],
        [0.25, 0.26],
      ],
      fill: 'mark',
    },
    {
      shape: [
        [0.36, -0.08],
        [0.44, -0.08],
        [0.53, 0.05],
        [0.36, 0.05],
      ],
      fill: rgb(170, 215, 235),
    },
    { shape: ellipse(-0.38, 0.3, 0.12), fill: DARK },
    { shape: ellipse(0.4, 0.3, 0.12), fill: DARK },
    { shape: ellipse(-0.38, 0.3, 0.05), fill: rgb(190, 190, 190) },
    { shape: ellipse(0.4, 0.3, 0.05), fill: rgb(190, 190, 190) },
  ],
};

const mushroom: ObjectClass = {
  name: 'mushroom',
  body: rgb(196, 62, 48),
  mark: (soft, colour) => stripes(colour(rgb(255, 246, 214)), colour(rgb(120, 190, 60)), 0.13, Math.PI / 2, soft),
  parts: [
    {
      shape: curve(
        mirrored([
          [0.11, -0.02],
          [0.11, 0.2],
          [0.17, 0.46],
        ]),
      ),
      fill: 'mark',
    },
    {
      shape: curve(
        mirrored([
          [0.12, -0.46],
          [0.42, -0.26],
          [0.52, 0.03],
          [0.28, 0.08],
        ]),
      ),
      fill: 'body',
    },
    {
      shape: curve(
        mirrored([
          [0.24, 0.02],
          [0.46, 0.04],
          [0.26, 0.09],
        ]),
      ),
      fill: 'body',
      shade: 0.7,
    },
  ],
};

const bird: ObjectClass = {
  name: 'bird',
  body: rgb(58, 112, 205),
  mark: (soft, colour) => stripes(colour(rgb(255, 214, 40)), colour(rgb(30, 30, 36)), 0.12, 0.5, soft),
  parts: [
    { shape: rectangle(-0.04, 0.24, 0, 0.46), fill: DARK },
    { shape: rectangle(0.08, 0.24, 0.12, 0.46), fill: DARK },
    {
      shape: [
        [0.5, -0.28],
        [0.68, -0.2],
        [0.5, -0.14],
      ],
      fill: rgb(245, 150, 40),
    },
    {
      shape: curve([
        [-0.66, -0.1],
        [-0.34, -0.06],
        [-0.05, -0.16],
        [0.18, -0.32],
        [0.36, -0.42],
        [0.53, -0.3],
        [0.5, -0.14],
        [0.38, 0.02],
        [0.26, 0.24],
        [0, 0.32],
        [-0.3, 0.2],
        [-0.6, 0.06],
      ]),
      fill: 'body',
    },
    {
      shape: curve([
        [-0.28, 0.06],
        [-0.02, -0.1],
        [0.2, -0.02],
        [0.1, 0.16],
        [-0.14, 0.2],
      ]),
      fill: 'mark',
    },
    { shape: ellipse(0.38, -0.28, 0.06), fill: rgb(250, 250, 250) },
    { shape: ellipse(0.39, -0.28, 0.03), fill: DARK },
  ],
};

const fish: ObjectClass = {
  name: 'fish',
  body: rgb(240, 140, 40),
  mark: (soft, colour) => dots(colour(rgb(35, 35, 120)), colour(rgb(120, 235, 245)), 0.12, soft),
  parts: [
    {
      shape: curve([
        [-0.3, 0],
        [-0.5, -0.2],
        [-0.66, -0.3],
        [-0.58, 0],
        [-0.66, 0.3],
        [-0.5, 0.2],
      ]),
      fill: 'mark',
    },
    {
      shape: [
        [-0.1, -0.22],
        [0.06, -0.42],
        [0.26, -0.2],
      ],
      fill: 'body',
      shade: 0.75,
    },
    {
      shape: [
        [0, 0.2],
        [-0.02, 0.38],
        [0.18, 0.2],
      ],
      fill: 'body',
      shade: 0.75,
    },
    {
      shape: curve([
        [-0.4, 0],
        [-0.16, -0.22],
        [0.16, -0.29],
        [0.44, -0.16],
        [0.58, 0],
        [0.44, 0.15],
        [0.16, 0.27],
        [-0.16, 0.2],
      ]),
      fill: 'body',
    },
    { shape: ellipse(0.38, -0.07, 0.07), fill: rgb(250, 250, 250) },
    { shape: ellipse(0.4, -0.07, 0.035), fill: DARK },
  ],
};

export const objectClasses: readonly ObjectClass[] = [bird, fish, lantern, mushroom, truck];

/** Share of the instances whose distinctive part has the body's plain colour. */
const PLAIN_SHARE = 0.25;

/** The paint of every part of one instance, in the object's coordinates. `soft` is a pixel in those. */
export function partPaints({ body, mark, parts }: ObjectClass, soft: number, generator: Generator): Paint[] {
  const bodyColour = jittered(body, generator);
  const plain = generator.uniform() < PLAIN_SHARE;
  const texture = mark(soft, (base) => jittered(base, generator));
  return parts.map(({ fill, shade = 1 }) => {
    if (fill === 'mark' && !plain) return texture;
    const colour = fill === 'body' || fill === 'mark' ? scaled(bodyColour, shade) : fill;
    return shaded(() => colour);
  });
}

const areas = new Map<ObjectClass, number>();
/** The object's area in its own square units. */
export function unitArea(object: ObjectClass): number {
  let area = areas.get(object);
  if (area === undefined) {
    const size = 200;
    const pose = { x: size / 2, y: size / 2, scaleX: size / 2, scaleY: size / 2, angle: 0 };
    const shapes = object.parts.map(({ shape }) => coverage(place(shape, pose), size, size));
    area = maskOf(shapes, size, size).reduce((sum, pixel) => sum + pixel, 0) / (size / 2) ** 2;
    areas.set(object, area);
  }
  return area;
}
