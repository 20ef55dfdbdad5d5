/** What a kernel is chosen for: an operation on given shapes, and all it takes to try its candidates out. */
import type { Candidate } from './candidate.ts';
import type { Target } from './target.ts';

/** What a kernel is chosen for: an operation on given shapes, and all it takes to try its candidates out. */
export interface Operation<Options = unknown> {
  /** First part of its candidates' names: `conv.forward`. */
  readonly family: string;
  /** Sizes of the operation, plain data: its family's shape type. */
  readonly shape: object;
  /** Names this very shape. */
  readonly id: string;
  /** Names the class of shapes that share a choice, see {@link sizeClass}; letters, digits, `.`, `-` only. */
  readonly key: string;
  /** A multiply-add counts 2. */
  readonly flops: number;
  /** Elements of each operand, all f32. */
  readonly operands: Readonly<Record<string, number>>;
  /** Name of the operand that is computed. */
  readonly output: string;
  /** The two operands whose products are summed. */
  readonly factors: readonly [string, string];
  /** Calls `visit` with the indices into the factors of the products that element `index` of the output is the sum of. */
  terms(index: number, visit: (a: number, b: number) => void): void;
  /** What candidates are tried with: nothing follows the sum, nothing is added to. */
  readonly plain: Options;
  /** The heuristic's choice first. */
  candidates(target: Target): Iterable<Candidate<Options>>;
}

/** Below, every size is a class of its own: the overhang of a tile decides, and regions of interest are that small. */
const EXACT = 16;
/** Classes to a doubling. */
const STEPS = 4;

/**
 * Rounds a size up to where its class ends: exact to 16, then in quarters of the power of two below. Images of slightly
 * different size and varying numbers of proposals share a class; no two sizes of a class differ by more than a quarter.
 */
export function sizeClass(size: number): number {
  if (size <= EXACT) return size;
  const step = 2 ** Math.floor(Math.log2(size - 1)) / STEPS;
  return Math.ceil(size / step) * step;
}

/** The class of an image of h×w: small sides count each, of larger images only how many pixels there are. */
export const planeClass = (h: number, w: number): string =>
  Math.min(h, w) <= EXACT ? `${sizeClass(h)}x${sizeClass(w)}` : `${sizeClass(h * w)}px`;
