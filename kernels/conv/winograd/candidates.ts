/** Winograd's ways to run a convolution, with their estimated work. */
import { type Estimate, LOAD } from '../../candidate.ts';
import { quadsTiles } from '../../gemm/quads-tiles.ts';
import type { Plan } from '../../plan.ts';
import type { Target } from '../../target.ts';
import { type ConvEpilogue, type ConvShape, outputHeight, outputWidth } from '../shape.ts';
import {
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
  estimates('conv.forward', s, target, (size, tile) => (epilogue) => planWinogradForward(s, size, tile, epilogue));

export const winogradInputGradient = (s: ConvShape, target: Target): Estimate<boolean>[] =>
  estimates(
    'conv.inputGradient',
    s,
    target,
    (size, tile) => (accumulate) => planWinogradInputGradient(s, size, tile, accumulate),
  );

export const winogradWeightGradient = (s: ConvShape, target: Target): Estimate<boolean>[] =>
  estimates(
    'conv.weightGradient',
    s,
    target,
    (size, tile) => (accumulate) => planWinogradWeightGradient(s, size, tile, accumulate),
  );

type Family = 'conv.forward' | 'conv.inputGradient' | 'conv.weightGradient';
type Tile = ReturnType<typeof quadsTiles>[number]['tile'];

function estimates<Options>(
  family: Family,
  s: ConvShape,
  { subgroupSize, maxBinding }: Target,
  planOf: (size: WinogradTile, tile: Tile) => (options: Options) => Plan,
): Estimate<Options>[] {
  if (!winogradFits(s)) return [];
  return SIZES.flatMap((size) => {
    const { work, tile, largest } = estimate(family, s, size, subgroupSize);
    return 4 * largest > maxBinding ? [] : [{ name: nameOf(family, size), work, plan: planOf(size, tile) }];
  });
}

/** The best tile of the products, the work of all steps, and the elements of the weights' scratch tensor. */
function estimate(family: Family, s: ConvShape, size: WinogradTile, subgroup: number) {
  const points = (size + 2) ** 2;
  const [height, width] = family === 'conv.inputGradient' ? [s.h, s.w] : [outputHeight(s), outputWidth(s)];
  const columns = 4 * Math.ceil((s.n * Math.ceil(height / size) * Math.ceil(width / size)) / 4);
  const inner = (channels: number): number => 4 * Math.ceil(channels / 4);
  const [m, n, k] =
    family === 'conv.weightGradient'
      ? [s.co, s.ci, columns]
      : family === 'conv.forward'
        ? [s.co, columns, inner(s.ci)]
        : [s.ci, columns, inner(s.co)];
  const batch = { count: points, strideA: m * k, strideB: n * k };
  const [best] = quadsTiles({ m, n, k, transposeB: family === 'conv.weightGradient' }, batch, subgroup);
  // Values moved to and from the domain: of both images' tiles, and of the weight.
  const tiles =
    columns * (s.ci * (points + (family === 'conv.inputGradient' ? size ** 2 : points)) + s.co * (points + size ** 2));
  const weights = s.co * s.ci * (points + 9);
  return {
    tile: best.tile,
    work: best.work + ((tiles + weights) / subgroup) * LOAD,
    largest: points * inner(s.ci) * inner(s.co),
  };
}
