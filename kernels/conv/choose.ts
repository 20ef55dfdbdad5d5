/** The ways to run a convolution. */
import { byWork, type Candidate, type Estimate, hasLanes } from '../candidate.ts';
import type { Target } from '../target.ts';
import { COLUMNS_VARIANTS, columnsForward, columnsInputGradient, columnsWeightGradient } from './im2col-candidates.ts';
import {
  convForwardImplicitCandidates,
  convInputGradientImplicitCandidates,
  convWeightGradientImplicitCandidates,
  IMPLICIT_VARIANTS,
} from './implicit-gemm.ts';
import {
  forwardDirect,
  forwardTiles,
  inputGradientDirect,
  inputGradientTiles,
  TILE_VARIANTS,
  weightGradientDirect,
  weightGradientTiles,
} from './register-tiles.ts';
import { type ConvEpilogue, type ConvShape, checkConvShape, convFlops, taps } from './shape.ts';
import {
  WINOGRAD_VARIANTS,
  winogradForward,
  winogradInputGradient,
  winogradWeightGradient,
} from './winograd/candidates.ts';

/** Names of all candidates, on any device, of the three convolution operations. */
export const CONV_VARIANTS: readonly string[] = [
  ...WINOGRAD_VARIANTS,
  ...COLUMNS_VARIANTS,
  ...TILE_VARIANTS,
  ...IMPLICIT_VARIANTS,
];

/**
 * The ways to run y = conv(x, weight) through the epilogue, the one of least estimated work first. Operands: x, weight,
 * bias, residual, y; any f32 tensor may stand for a bias or residual that the epilogue lacks.
 */
export const convForwardCandidates = (s: ConvShape, target: Target): Generator<Candidate<ConvEpilogue>> =>
  ranked(s, target, {
    winograd: winogradForward,
    columns: columnsForward,
    tiles: (subgroupSize) => forwardTiles(s, subgroupSize),
    direct: forwardDirect(s),
    blocks: convForwardImplicitCandidates,
  });

/** The ways to compute the gradient to x, or with `accumulate` to add it. Operands: dy, weight, dx. */
export const convInputGradientCandidates = (s: ConvShape, target: Target): Generator<Candidate<boolean>> =>
  ranked(s, target, {
    winograd: winogradInputGradient,
    columns: columnsInputGradient,
    tiles: (subgroupSize) => inputGradientTiles(s, subgroupSize),
    direct: inputGradientDirect(s),
    blocks: convInputGradientImplicitCandidates,
  });

/** The ways to compute the gradient to weight, or with `accumulate` to add it. Operands: x, dy, dw. */
export function convWeightGradientCandidates(s: ConvShape, target: Target): Generator<Candidate<boolean>> {
  const maxParts = Math.max(1, Math.floor(target.maxBinding / (4 * s.co * s.ci * taps(s))));
  return ranked(s, target, {
    winograd: winogradWeightGradient,
    columns: () => columnsWeightGradient(s, target, maxParts),
    tiles: (subgroupSize) => weightGradientTiles(s, subgroupSize, maxParts),
    direct: weightGradientDirect(s, maxParts),
    blocks: convWeightGradientImplicitCandidates,
  });
}

/** The families of kernels that each of the three has. */
interface Families<Options> {
  winograd(s: ConvShape, target: Target): Estimate<Options>[];
  columns(s: ConvShape, target: Target): Estimate<Options>[];
  /** Of subgroups, or where `subgroupSize` is 0 portable. */
  tiles(subgroupSize: number): Estimate<Options>[];
  readonly direct: Candidate<Options>;
  /** In workgroup memory. */
  blocks(s: ConvShape, target: Target): Iterable<Candidate<Options>>;
}

/**
 * Where subgroups have their own kernels, these come first, and the direct one comes before the portable tiles, for it
 * compiles at once. On hardware blocks win, unless Winograd saves more products than its tiles cost to move.
 */
function* ranked<Options>(
  s: ConvShape,
  target: Target,
  { winograd, columns, tiles, direct, blocks }: Families<Options>,
): Generator<Candidate<Options>> {
  checkConvShape(s);
  if (hasLanes(target.subgroupSize)) {
    yield* byWork([...winograd(s, target), ...columns(s, target), ...tiles(target.subgroupSize)]);
    yield direct;
    yield* byWork(tiles(0));
    yield* blocks(s, target);
    return;
  }
  const products = convFlops(s) / 2;
  const transformed = byWork(winograd(s, target));
  yield* transformed.filter(({ work }) => work < products);
  yield* blocks(s, target);
  yield* transformed.filter(({ work }) => work >= products);
  yield* byWork(tiles(0));
  yield direct;
}
