/** Colours of the demo pictures. */
import type { Generator } from '@cim/runtime';

/** Red, green, blue, 0 … 1. */
export type Colour = readonly [number, number, number];

/** From the usual 0 … 255. */
export const rgb = (red: number, green: number, blue: number): Colour => [red / 255, green / 255, blue / 255];

/** Hue in turns, saturation and value 0 … 1. */
export function hsv(hue: number, saturation: number, value: number): Colour {
  const channel = (offset: number): number => {
    const k = (((hue * 6 + offset) % 6) + 6) % 6;
    return value * (1 - saturation * Math.max(0, Math.min(k, 4 - k, 1)));
  };
  return [channel(5), channel(3), channel(1)];
}

/** From a at t = 0 to b at t = 1; t is clamped. */
export function mix(a: Colour, b: Colour, t: number): Colour {
  const share = Math.min(Math.max(t, 0), 1);
  return [a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]), a[2] + share * (b[2] - a[2])];
}

export const scaled = (colour: Colour, factor: number): Colour => [
  colour[0] * factor,
  colour[1] * factor,
  colour[2] * factor,
];

/** The colour as another light shows it: brightness ±15 %, each channel ±6 %. */
export function jittered([red, green, blue]: Colour, generator: Generator): Colour {
  const light = between(generator, 0.85, 1.15);
  const channel = (value: number): number => value * light * between(generator, 0.94, 1.06);
  return [channel(red), channel(green), channel(blue)];
}

/** Uniform in [low, high). */
export const between = (generator: Generator, low: number, high: number): number =>
  low + (high - low) * generator.uniform();

/** One of the items. */
export const pick = <T>(generator: Generator, items: readonly T[]): T => items[generator.integer(items.length)];
