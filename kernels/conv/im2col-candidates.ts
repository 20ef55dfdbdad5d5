/** Ways to run a convolution as one matrix product, with their estimated work. */
import { DISPATCH, type Estimate, MOVE } from '../candidate.ts';
import { type QuadsChoice, quadsChoices } from '../gemm/quads-tiles.ts';
import type { GemmShape } from '../gemm/shape.ts';
import type { Target } from '../target.ts';
import {
  columnsProduct,
  columnsSize,
  planColumnsForward,
  planColumnsInputGradient,
  planColumnsWeightGradient,
} from './im2col.ts';
import { type ConvEpilogue, type ConvShape, isPointwise } from './shape.ts';

const FORWARD = 'conv.forward.im2col';
const INPUT_GRADIENT = 'conv.inputGradient.im2col';
const WEIGHT_GRADIENT = 'conv.weightGradient.im2col';
export const COLUMNS_VARIANTS: readonly string[] = [FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT];

/** Workgroups that keep a GPU busy, and pixels that are worth a sum of their own. */
const BUSY = 16;
const MIN_DEPTH = 256;

export const columnsForward = (s: ConvShape, target: Target): Estimate<ConvEpilogue>[] =>
  estimate(s, target, columnsProduct.forward(s)).map((choice) => ({
    name: FORWARD,
    work: choice.work,
    plan: (epilogue) => planColumnsForward(s, choice, epilogue),
  }));

export const columnsInputGradient = (s: ConvShape, target: Target): Estimate<boolean>[] =>
  estimate(s, target, columnsProduct.inputGradient(s)).map((choice) => ({
    name: INPUT_GRADIENT,
    // Every pixel of dx is written, whether a column saw it or not.
    work: choice.work + (isPointwise(s) ? 0 : (s.n * s.ci * s.h * s.w * MOVE) / target.subgroupSize),
    plan: (accumulate) => planColumnsInputGradient(s, choice, accumulate),
  }));

/** In at most `maxParts` sums, one at least for each image. */
export const columnsWeightGradient = (s: ConvShape, target: Target, maxParts: number): Estimate<boolean>[] => {
  if (s.n > maxParts) return [];
  const product = columnsProduct.weightGradient(s);
  return estimate(s, target, product).map((choice) => {
    const most = Math.min(Math.floor(maxParts / s.n), Math.ceil(product.shape.k / MIN_DEPTH));
    const parts = Math.max(1, Math.min(Math.ceil(BUSY / choice.tiles), most));
    return {
      name: WEIGHT_GRADIENT,
      work: choice.work,
      plan: (accumulate) => planColumnsWeightGradient(s, choice, parts, accumulate),
    };
  });
};

/** The best choice of tile; none where the unfolded images would be too large to bind. */
function estimate(
  s: ConvShape,
  target: Target,
  { shape, batch }: ReturnType<typeof columnsProduct.forward>,
): QuadsChoice[] {
  const size = columnsSize(s);
  if (4 * size > target.maxBinding || s.n * empty(shape) === 0) return [];
  const [best] = quadsChoices(shape, batch, target);
  return [{ ...best, work: best.work + (size > 0 ? ((2 * size) / target.subgroupSize) * MOVE + DISPATCH : 0) }];
}

const empty = ({ m, n, k }: GemmShape): number => m * n * k;
