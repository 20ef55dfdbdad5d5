/** Procedural paints. `soft` is the width of an edge, in the paint's own units: one pixel keeps it free of jaggies. */
import type { Generator } from '@cim/runtime';
import { type Colour, mix, scaled } from './colour.ts';
import type { Paint } from './raster.ts';

/** 0 and 1 in turn, each for half a period, with edges of width `soft`. */
function squareWave(position: number, period: number, soft: number): number {
  const phase = position / period - Math.floor(position / period);
  const distance = (0.25 - Math.abs(phase - 0.5)) * period; // to the nearest edge, positive inside the second half
  return Math.min(Math.max(distance / soft + 0.5, 0), 1);
}

export function stripes(a: Colour, b: Colour, period: number, angle: number, soft: number): Paint {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return (x, y) => mix(a, b, squareWave(cos * x + sin * y, period, soft));
}

export function checks(a: Colour, b: Colour, period: number, angle: number, soft: number): Paint {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return (x, y) => {
    const u = squareWave(cos * x + sin * y, period, soft);
    const v = squareWave(cos * y - sin * x, period, soft);
    return mix(a, b, u + v - 2 * u * v);
  };
}

/** Round dots of `b` on `a`, in a grid. */
export function dots(a: Colour, b: Colour, period: number, soft: number): Paint {
  return (x, y) => {
    const [u, v] = [x / period - Math.round(x / period), y / period - Math.round(y / period)];
    return mix(a, b, ((0.32 - Math.sqrt(u * u + v * v)) * period) / soft + 0.5);
  };
}

/** Lit from above: 10 % brighter at y = −0.5, 14 % darker at y = 0.5. */
export const shaded =
  (paint: Paint): Paint =>
  (x, y) =>
    scaled(paint(x, y), 0.98 - 0.24 * Math.min(Math.max(y, -0.5), 0.5));

/** Smooth random values of period 32 over the plane. */
export class Noise {
  static readonly #SIZE = 32;
  readonly #lattice: Float32Array;

  constructor(generator: Generator) {
    this.#lattice = Float32Array.from({ length: Noise.#SIZE ** 2 }, () => generator.uniform());
  }

  /** 0 … 1, one bump a unit. */
  at(x: number, y: number): number {
    const size = Noise.#SIZE;
    const [column, row] = [Math.floor(x), Math.floor(y)];
    const [u, v] = [smooth(x - column), smooth(y - row)];
    const [left, right] = [column & (size - 1), (column + 1) & (size - 1)];
    const [upper, lower] = [(row & (size - 1)) * size, ((row + 1) & (size - 1)) * size];
    const lattice = this.#lattice;
    const top = lattice[upper + left] + u * (lattice[upper + right] - lattice[upper + left]);
    const bottom = lattice[lower + left] + u * (lattice[lower + right] - lattice[lower + left]);
    return top + v * (bottom - top);
  }

  /** 0 … 1: several octaves, each twice as fine and `gain` times as strong as the one before. */
  fractal(x: number, y: number, octaves: number, gain = 0.5): number {
    let [sum, total, weight, scale] = [0, 0, 1, 1];
    for (let octave = 0; octave < octaves; octave++) {
      sum += weight * this.at(x * scale + 7.3 * octave, y * scale + 3.7 * octave);
      total += weight;
      weight *= gain;
      scale *= 2;
    }
    return sum / total;
  }
}

const smooth = (t: number): number => t * t * (3 - 2 * t);
