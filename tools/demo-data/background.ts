/** Cluttered backgrounds: seven kinds of scenery, then shapes that are no object of any class. */
import type { Generator } from '@cim/runtime';
import { between, type Colour, hsv, mix, pick, scaled } from './colour.ts';
import {
  type Canvas,
  coverage,
  curve,
  ellipse,
  fill,
  flood,
  type Paint,
  type Point,
  place,
  rectangle,
} from './raster.ts';
import { checks, dots, Noise, stripes } from './texture.ts';

/** A muted colour: the objects are more saturated. */
const muted = (generator: Generator, low = 0.3, high = 0.85): Colour =>
  hsv(generator.uniform(), between(generator, 0.08, 0.4), between(generator, low, high));

/** A close relative of a colour. */
const near = (colour: Colour, generator: Generator, amount = 0.16): Colour => {
  const light = between(generator, -amount, amount);
  const channel = (value: number): number =>
    Math.min(Math.max(value + light + between(generator, -0.05, 0.05), 0.04), 0.96);
  return [channel(colour[0]), channel(colour[1]), channel(colour[2])];
};

interface Scenery {
  readonly generator: Generator;
  readonly noise: Noise;
  readonly width: number;
  readonly height: number;
}
/** Lengths are given in parts of the image's height, so the scenery does not depend on its size. */
type Kind = (scenery: Scenery) => Paint;

const ground: Kind = ({ generator, noise, height }) => {
  const [a, b, c] = [muted(generator), muted(generator), muted(generator)];
  const coarse = between(generator, 2, 4) / height;
  const fine = between(generator, 14, 26) / height;
  return (x, y) => {
    const blend = mix(a, b, 2.2 * noise.fractal(x * coarse, y * coarse, 4) - 0.6);
    return mix(blend, c, 1.6 * noise.fractal(x * fine, y * fine, 2) - 0.6);
  };
};

const hills: Kind = ({ generator, noise, height }) => {
  const sky = [hsv(between(generator, 0.52, 0.64), 0.3, 0.85), hsv(between(generator, 0, 1), 0.12, 0.95)] as const;
  const layers = [0.35, 0.52, 0.72].map((level, i) => ({
    level: (level + between(generator, -0.08, 0.08)) * height,
    rise: between(generator, 0.08, 0.24) * height,
    wave: between(generator, 1, 2.5) / height,
    colour: hsv(between(generator, 0.12, 0.42), between(generator, 0.2, 0.42), 0.75 - 0.15 * i),
  }));
  return (x, y) => {
    let colour = mix(sky[0], sky[1], (1.6 * y) / height);
    colour = mix(colour, [1, 1, 1], 1.8 * noise.fractal((x * 2.2) / height, (y * 5) / height, 3) - 1);
    for (const [i, { level, rise, wave, colour: hill }] of layers.entries()) {
      const edge = level + rise * (noise.fractal(x * wave + 9 * i, 3.3 * i, 3) - 0.5);
      if (y + 0.5 <= edge) continue;
      const grain = 0.75 + 0.5 * noise.fractal((x * 18) / height, (y * 24) / height, 2);
      colour = mix(colour, scaled(hill, grain), y + 0.5 - edge);
    }
    return colour;
  };
};

/** A fabric: a pattern of two related colours with folds and threads. */
const fabric =
  (pattern: typeof stripes | typeof checks): Kind =>
  ({ generator, noise, height }) => {
    const base = muted(generator);
    const weave = pattern(
      base,
      near(base, generator, 0.2),
      between(generator, 0.07, 0.22) * height,
      between(generator, 0, Math.PI),
      1,
    );
    return (x, y) => {
      const fold = noise.fractal((x * 3) / height, (y * 3) / height, 3);
      const thread = noise.at((x * 60) / height, (y * 60) / height);
      return scaled(weave(x, y), 0.66 + 0.5 * fold + 0.16 * thread);
    };
  };

const bricks: Kind = ({ generator, noise, height }) => {
  const [brick, mortar] = [
    hsv(between(generator, 0, 0.12), between(generator, 0.2, 0.4), between(generator, 0.4, 0.7)),
    muted(generator, 0.6),
  ];
  const [w, h, joint] = [
    between(generator, 0.18, 0.28) * height,
    between(generator, 0.08, 0.12) * height,
    0.012 * height,
  ];
  return (x, y) => {
    const row = Math.floor(y / h);
    const shifted = x / w + (row % 2) / 2;
    const column = Math.floor(shifted);
    const inset = Math.min((shifted - column) * w, (column + 1 - shifted) * w, y - row * h, (row + 1) * h - y);
    const tone =
      0.7 +
      0.35 * noise.at(column * 3.7 + 0.5, row * 5.3 + 0.5) +
      0.3 * noise.fractal((x * 20) / height, (y * 20) / height, 2);
    return mix(mortar, scaled(brick, tone), inset - joint + 0.5);
  };
};

/** Out-of-focus lights over a dim gradient. */
const blurred: Kind = ({ generator, noise, width, height }) => {
  const [top, bottom] = [muted(generator, 0.15, 0.5), muted(generator, 0.3, 0.7)];
  const lights = Array.from({ length: 14 }, () => ({
    x: between(generator, 0, width),
    y: between(generator, 0, height),
    radius: between(generator, 0.05, 0.2) * height,
    blur: between(generator, 0.02, 0.12) * height,
    colour: muted(generator, 0.5, 1),
    strength: between(generator, 0.3, 0.8),
  }));
  return (x, y) => {
    let colour = mix(top, bottom, y / height + 0.4 * (noise.fractal((x * 3) / height, (y * 3) / height, 3) - 0.5));
    for (const light of lights) {
      const distance = Math.sqrt((x - light.x) ** 2 + (y - light.y) ** 2);
      const inside = (light.radius - distance) / light.blur + 0.5;
      if (inside > 0) colour = mix(colour, light.colour, light.strength * Math.min(inside, 1));
    }
    return colour;
  };
};

const planks: Kind = ({ generator, noise, height }) => {
  const wood = hsv(between(generator, 0.06, 0.12), between(generator, 0.25, 0.42), between(generator, 0.45, 0.75));
  const [plank, upright] = [between(generator, 0.14, 0.24) * height, generator.uniform() < 0.5];
  return (px, py) => {
    const [x, y] = upright ? [py, px] : [px, py];
    const board = Math.floor(y / plank);
    const gap = Math.min(y - board * plank, (board + 1) * plank - y);
    const grain = noise.fractal((x * 3) / height + 5 * board, (y * 30) / height, 3);
    return scaled(wood, (0.62 + 0.35 * noise.at(board * 2.7 + 0.5, 0.5) + 0.4 * grain) * Math.min(1, 0.45 + 0.4 * gap));
  };
};

const KINDS: readonly Kind[] = [ground, hills, fabric(stripes), fabric(checks), bricks, blurred, planks];

/** Covers the canvas with one kind of scenery and 4 to 14 distracting shapes. */
export function paintBackground(canvas: Canvas, generator: Generator): void {
  const { width, height } = canvas;
  const scenery = { generator, noise: new Noise(generator), width, height };
  flood(canvas, pick(generator, KINDS)(scenery));
  for (let i = 4 + generator.integer(11); i > 0; i--) paintDistractor(canvas, generator);
}

/** A blob, a pebble, a shard or a strip; half of them plain, the others patterned. */
export function paintDistractor(canvas: Canvas, generator: Generator): void {
  const { width, height } = canvas;
  const pose = {
    x: between(generator, 0, width),
    y: between(generator, 0, height),
    scaleX: between(generator, 0.03, 0.13) * height,
    scaleY: between(generator, 0.03, 0.13) * height,
    angle: between(generator, 0, Math.PI),
  };
  const around = (n: number): Point[] =>
    Array.from({ length: n }, (_, i) => {
      const [turn, radius] = [((i + 0.6 * generator.uniform()) / n) * 2 * Math.PI, between(generator, 0.6, 1.2)];
      return [radius * Math.cos(turn), radius * Math.sin(turn)];
    });
  const outline = pick(generator, [
    () => curve(around(7)),
    () => ellipse(0, 0, 1, 1),
    () => around(3 + generator.integer(3)),
    () => rectangle(-3, -0.25, 3, 0.25),
  ])();
  const [base, period] = [muted(generator), between(generator, 0.03, 0.07) * height];
  const angle = between(generator, 0, Math.PI);
  const paint = pick<() => Paint>(generator, [
    () => () => base,
    () => () => base,
    () => pick(generator, [stripes, checks])(base, muted(generator), period, angle, 1),
    () => dots(base, muted(generator), period, 1),
  ])();
  fill(canvas, coverage(place(outline, pose), width, height), paint, between(generator, 0.7, 1));
}
