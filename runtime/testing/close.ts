import { type Shape, sizeOf } from '../tensor.ts';

/**
 * How far an element may be from the expected one: |actual − expected| ≤ absolute + scaled·max|expected| +
 * relative·|expected|, or within `ulp` f32 numbers of it. The defaults, 1e-4 relative and 1e-5 scaled, hold unless `ulp`
 * is given: then what is not named is 0.
 */
export interface Tolerance {
  /** Relative to the expected element. */
  readonly relative?: number;
  /** Relative to the largest expected finite magnitude. */
  readonly scaled?: number;
  /** The same for all elements. */
  readonly absolute?: number;
  /** Units in the last place: how many f32 numbers away. +0 and −0 are 0 apart. */
  readonly ulp?: number;
  /** The shape of the values: elements are then named by their index in every dimension. */
  readonly shape?: Shape;
}

const word = new DataView(new ArrayBuffer(4));

/** The position of an f32 number among all of them in order; both zeros are 0. */
function rank(value: number): number {
  word.setFloat32(0, value);
  const bits = word.getInt32(0);
  return bits < 0 ? -(bits & 0x7fffffff) : bits;
}

/** How many f32 numbers lie from `a` to `b`, both rounded to f32. NaN is infinitely far from all but NaN. */
export function ulpDistance(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) && Number.isNaN(b) ? 0 : Infinity;
  return Math.abs(rank(a) - rank(b));
}

/** The place of a row-major element: `[1, 0, 3] (element 19)`, or `19` without a shape. */
export function placeOf(index: number, shape?: Shape): string {
  if (!shape) return `element ${index}`;
  const place: number[] = [];
  let rest = index;
  for (const size of [...shape].reverse()) {
    place.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return `[${place.join(', ')}] (element ${index})`;
}

/**
 * Throws unless every element keeps to the {@link Tolerance}. NaN is right only where NaN is expected, an infinity only
 * where the same one is; +0 equals −0. The error names the worst element, both values and how many are wrong.
 *
 * @throws Error that names the worst element.
 * @throws RangeError when `shape` has another number of elements.
 */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: Tolerance = {},
  label = 'values',
): void {
  const { ulp = 0, shape } = tolerance;
  const { relative = ulp > 0 ? 0 : 1e-4, scaled = ulp > 0 ? 0 : 1e-5, absolute = 0 } = tolerance;
  if (actual.length !== expected.length)
    throw new Error(`${label}: ${actual.length} elements, expected ${expected.length}.`);
  if (shape && sizeOf(shape) !== expected.length)
    throw new RangeError(`${label}: the shape [${shape}] has ${sizeOf(shape)} elements, not ${expected.length}.`);
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    if (Number.isFinite(expected[i])) largest = Math.max(largest, Math.abs(expected[i]));
  }
  const allowed = (i: number): number => absolute + scaled * largest + relative * Math.abs(expected[i]);
  let worst = -1;
  let excess = 0;
  let wrong = 0;
  for (let i = 0; i < expected.length; i++) {
    if (Object.is(actual[i], expected[i]) || actual[i] === expected[i]) continue;
    const finite = Number.isFinite(actual[i]) && Number.isFinite(expected[i]);
    const over = finite ? Math.abs(actual[i] - expected[i]) - allowed(i) : Infinity;
    if (over <= 0 || (ulp > 0 && finite && ulpDistance(actual[i], expected[i]) <= ulp)) continue;
    wrong++;
    if (over > excess) {
      excess = over;
      worst = i;
    }
  }
  if (wrong === 0) return;
  const rules = Object.entries({ relative, scaled, absolute, ulp }).flatMap(([name, value]) =>
    value > 0 ? `${name} ${value}` : [],
  );
  const [is, should] = [actual[worst], expected[worst]];
  throw new Error(
    `${label}: ${wrong} of ${expected.length} elements are out of tolerance (${rules.join(', ') || 'exact'}). The worst, ` +
      `${placeOf(worst, shape)}, is ${show(is)}, expected ${show(should)}: ` +
      (Number.isFinite(excess)
        ? `off by ${Math.abs(is - should)} (${ulpDistance(is, should)} ULP), ${allowed(worst)} is allowed.`
        : Number.isNaN(is)
          ? 'NaN where a number is expected.'
          : Number.isNaN(should)
            ? 'a number where NaN is expected.'
            : 'infinitely far.'),
  );
}

const show = (value: number): string => (Object.is(value, -0) ? '-0' : String(value));
