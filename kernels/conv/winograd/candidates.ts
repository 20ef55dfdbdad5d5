/**
 * Winograd's ways to run a convolution, with their estimated work: on lanes as other candidates of software GPUs count it,
 * else in multiply-adds.
 */
import { DISPATCH, type Estimate, hasLanes, MOVE } from '../../candidate.ts';
import { rankBlocks } from '../../gemm/block.ts';
import { gemmBlocked } from '../../gemm/blocked.ts';
import { gemmQuads } from '../../gemm/quads.ts';
import { quadsChoices } from '../../gemm/quads-tiles.ts';
import type { GemmBatch, GemmShape } from '../../gemm/shape.ts';
import { type Plan, step } from '../../plan.ts';
import type { Target } from '../../target.ts';
import { type ConvEpilogue, type ConvShape, outputHeight, outputWidth } from '../shape.ts';
import {
  innerFirst,
  type Products,
  padded,
  planWinogradForward,
  planWinogradInputGradient,
  planWinogradWeightGradient,
  type WinogradTile,
  winogradFits,
} from './winograd.ts';

const SIZES: readonly WinogradTile[] = [4, 2];
const nameOf = (family: string, size: WinogradTile): string => `${family}.winograd${size}`;
export const WINOGRAD_VARIANTS: readonly string[] = [
  'conv.forward',
  'conv.inputGradient',
  'conv.weightGradient',
].flatMap((family) => SIZES.map((size) => nameOf(family, size)));

export const winogradForward = (s: ConvShape, target: Target): Estimate<ConvEpilogue>[] =>
  estimates(
    'conv.forward',
    s,
    target,
    (size, products) => (epilogue) => planWinogradForward(s, size, products, epilogue),
  );

export const winogradInputGradient = (s: ConvShape, target: Target): Estimate<boolean>[] =>
  estimates(
    'conv.inputGradient',
    s,
    target,
    (size, products) => (accumulate) => planWinogradInputGradient(s, size, products, accumulate),
  );

export const winogradWeightGradient = (s: ConvShape, target: Target): Estimate<boolean>[] =>
  estimates(
    'conv.weightGradient',
    s,
    target,
    (size, products) => (accumulate) => planWinogradWeightGradient(s, size, products, accumulate),
  );

type Family = 'conv.forward' | 'conv.inputGradient' | 'conv.weightGradient';

function estimates<Options>(
  family: Family,
  s: ConvShape,
  target: Target,
  planOf: (size: WinogradTile, products: Products) => (options: Options) => Plan,
): Estimate<Options>[] {
  if (!winogradFits(s)) return [];
  return SIZES.flatMap((size) => {
    const problem = problemOf(family, s, size);
    if (4 * problem.weights > target.maxBinding) return [];
    const { products, work } = hasLanes(target.subgroupSize) ? onLanes(problem, target) : inBlocks(problem, target);
    return [{ name: nameOf(family, size), work, plan: planOf(size, products) }];
  });
}

/** What a plan computes, all tiles at once, and the values that it moves to and from the domain. */
interface Problem {
  readonly shape: GemmShape;
  readonly batch: GemmBatch;
  readonly moved: number;
  /** Elements of the weight in the domain. */
  readonly weights: number;
}

function problemOf(family: Family, s: ConvShape, size: WinogradTile): Problem {
  const points = (size + 2) ** 2;
  const gradient = family === 'conv.weightGradient';
  const [height, width] = family === 'conv.inputGradient' ? [s.h, s.w] : [outputHeight(s), outputWidth(s)];
  const columns = padded(s.n * Math.ceil(height / size) * Math.ceil(width / size));
  const [m, n, k] = gradient
    ? [s.co, s.ci, columns]
    : family === 'conv.forward'
      ? [s.co, columns, padded(s.ci)]
      : [s.ci, columns, padded(s.co)];
  const tiles = gradient ? s.ci * 2 * points + s.co * (points + size ** 2) : (s.ci + s.co) * (points + size ** 2);
  return {
    shape: gradient
      ? { m, n, k, transposeA: innerFirst(m, n), transposeB: !innerFirst(m, n) }
      : { m, n, k, transposeA: innerFirst(m) },
    batch: { count: points, strideA: m * k, strideB: n * k },
    moved: columns * tiles + s.co * s.ci * (points + 9),
    weights: points * padded(s.ci) * padded(s.co),
  };
}

/** Dispatches beyond a direct kernel's. */
const DISPATCHES = 3;

function onLanes({ shape, batch, moved }: Problem, target: Target): { products: Products; work: number } {
  // The transforms lay the operands out themselves.
  const [{ tile, work }] = quadsChoices(shape, batch, target).filter(({ packed }) => !packed.a && !packed.b);
  return {
    products: (product, of, { a, b, c }, accumulate) =>
      step(gemmQuads(product, of, tile, { accumulate }), { a, b, bias: a, residual: a, c }),
    work: work + (moved / target.subgroupSize) * MOVE + DISPATCHES * DISPATCH,
  };
}

/** Multiply-adds that hardware does while one value moves to memory or back. */
const BALANCE = 40;

function inBlocks({ shape, batch, moved }: Problem, target: Target): { products: Products; work: number } {
  const choices = rankBlocks(target, { ...shape, slices: batch.count });
  const { block } = choices.find((choice) => !choice.block.half)!;
  return {
    products: (product, of, { a, b, c }, accumulate) =>
      step(gemmBlocked(product, block, { accumulate }, product.k, of), { a, b, bias: a, c }),
    work: batch.count * shape.m * shape.n * shape.k + moved * BALANCE,
  };
}
