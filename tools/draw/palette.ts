/** One colour a class, the same in every picture. */

/** Red, green, blue, 0 … 255. */
export type Rgb = readonly [number, number, number];

/** Okabe and Ito's palette, which colour-blind readers can tell apart (jfly.uni-koeln.de/color), without black. */
const BASE: readonly Rgb[] = [
  [230, 159, 0],
  [86, 180, 233],
  [0, 158, 115],
  [240, 228, 66],
  [0, 114, 178],
  [213, 94, 0],
  [204, 121, 167],
];
/** Light, then dark relatives for the classes after the seventh: the target and the share of it. */
const TINTS: readonly (readonly [target: number, share: number])[] = [
  [0, 0],
  [255, 0.45],
  [0, 0.4],
];

/** The colour of class `classIndex`; 21 differ, then they repeat. */
export function classColour(classIndex: number): Rgb {
  const [red, green, blue] = BASE[classIndex % BASE.length];
  const [target, share] = TINTS[Math.floor(classIndex / BASE.length) % TINTS.length];
  const tint = (value: number): number => Math.round(value + share * (target - value));
  return [tint(red), tint(green), tint(blue)];
}

/** Black or white, whichever reads better on the colour (relative luminance, Rec. 709). */
export const inkOn = ([red, green, blue]: Rgb): Rgb =>
  0.2126 * red + 0.7152 * green + 0.0722 * blue > 110 ? [0, 0, 0] : [255, 255, 255];
