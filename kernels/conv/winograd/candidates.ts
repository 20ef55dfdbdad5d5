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
  pointProduct,
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
  /** The product at each point; of a convolution also with tiles as rows, where channels can be columns. */
  readonly shape: GemmShape;
  readonly turned?: GemmShape;
  readonly points: number;
  readonly moved: number;
  /** Elements of the weight in the domain. */
  readonly weights: number;
}

function problemOf(family: Family, s: ConvShape, size: WinogradTile): Problem {
  const points = (size + 2) ** 2;
  const [height, width] = family === 'conv.inputGradient' ? [s.h, s.w] : [outputHeight(s), outputWidth(s)];
  const tiles = padded(s.n * Math.ceil(height / size) * Math.ceil(width / size));
  const weights = points * padded(s.ci) * padded(s.co);
  const filters = s.co * s.ci * (points + 9);
  if (family === 'conv.weightGradient') {
    const channelsLast = innerFirst(s.co, s.ci);
    const shape = { m: s.co, n: s.ci, k: tiles, transposeA: channelsLast, transposeB: !channelsLast };
    const moved = tiles * (s.ci * 2 * points + s.co * (points + size ** 2)) + filters;
    return { shape, points, moved, weights };
  }
  const [channels, others] = family === 'conv.forward' ? [s.co, s.ci] : [s.ci, s.co];
  const sizes = { channels, tiles, inner: padded(others) };
  return {
    shape: pointProduct(sizes, false),
    turned: innerFirst(channels) ? pointProduct(sizes, true) : undefined,
    points,
    moved: tiles * (s.ci + s.co) * (points + size ** 2) + filters,
    weights,
  };
}

const batchOf = ({ m, n, k }: GemmShape, count: number): GemmBatch => ({ count, strideA: m * k, strideB: n * k });

/** Dispatches beyond a direct kernel's. */
const DISPATCHES = 3;

function onLanes({ shape, turned, points, moved }: Problem, target: Target): { products: Products; work: number } {
  // The transforms lay the operands out themselves.
  const least = (of: GemmShape) =>
    quadsChoices(of, batchOf(of, points), target).find(({ packed }) => !packed.a && !packed.b)!;
  const [usual, other] = [least(shape), turned && least(turned)];
  const tilesAsRows = other !== undefined && other.work < usual.work;
  const { tile, work } = tilesAsRows ? other : usual;
  return {
    products: {
      step: (product, of, { a, b, c }, accumulate) =>
        step(gemmQuads(product, of, tile, { accumulate }), { a, b, bias: a, residual: a, c }),
      tilesAsRows,
    },
    work: work + (moved / target.subgroupSize) * MOVE + DISPATCHES * DISPATCH,
  };
}

/** Multiply-adds that hardware does while one value moves to memory or back. */
const BALANCE = 40;

function inBlocks({ shape, points, moved }: Problem, target: Target): { products: Products; work: number } {
  const choices = rankBlocks(target, { ...shape, slices: points });
  const { block } = choices.find((choice) => !choice.block.half)!;
  return {
    products: {
      step: (product, of, { a, b, c }, accumulate) =>
        step(gemmBlocked(product, block, { accumulate }, product.k, of), { a, b, bias: a, c }),
      tilesAsRows: false,
    },
    work: points * shape.m * shape.n * shape.k + moved * BALANCE,
  };
}
