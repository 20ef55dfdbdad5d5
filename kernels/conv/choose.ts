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
import { type ConvEpilogue, type ConvShape, convFlops } from './shape.ts';
import {
  WINOGRAD_VARIANTS,
  winogradForward,
  winogradInputGradient,
  winogradWeightGradient,
} from './winograd/candidates.ts';

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
export function* convForwardCandidates(s: ConvShape, target: Target): Generator<Candidate<ConvEpilogue>> {
  if (hasLanes(target.subgroupSize)) {
    const subgroups = [winogradForward(s, target), columnsForward(s, target), forwardTiles(s, target.subgroupSize)];
    yield* byWork(subgroups.flat());
  }
  yield* portable(
    s,
    target,
    forwardDirect(s),
    () => forwardTiles(s, 0),
    convForwardImplicitCandidates(s, target),
    winogradForward(s, target),
  );
}

/** The ways to compute the gradient to x, or with `accumulate` to add it. Operands: dy, weight, dx. */
export function* convInputGradientCandidates(s: ConvShape, target: Target): Generator<Candidate<boolean>> {
  if (hasLanes(target.subgroupSize)) {
    const subgroups = [
      winogradInputGradient(s, target),
      columnsInputGradient(s, target),
      inputGradientTiles(s, target.subgroupSize),
    ];
    yield* byWork(subgroups.flat());
  }
  yield* portable(
    s,
    target,
    inputGradientDirect(s),
    () => inputGradientTiles(s, 0),
    convInputGradientImplicitCandidates(s, target),
    winogradInputGradient(s, target),
  );
}

/** The ways to compute the gradient to weight, or with `accumulate` to add it. Operands: x, dy, dw. */
export function* convWeightGradientCandidates(s: ConvShape, target: Target): Generator<Candidate<boolean>> {
  const maxParts = Math.max(1, Math.floor(target.maxBinding / (4 * s.co * s.ci * s.kh * s.kw)));
  if (hasLanes(target.subgroupSize)) {
    const subgroups = [
      winogradWeightGradient(s, target),
      columnsWeightGradient(s, target, maxParts),
      weightGradientTiles(s, target.subgroupSize, maxParts),
    ];
    yield* byWork(subgroups.flat());
  }
  yield* portable(
    s,
    target,
    weightGradientDirect(s, maxParts),
    () => weightGradientTiles(s, 0, maxParts),
    convWeightGradientImplicitCandidates(s, target),
    winogradWeightGradient(s, target),
  );
}

/**
 * Where subgroups have their own kernels, the direct one comes before the portable tiles, for it compiles at once, and
 * blocks in workgroup memory last. On hardware these win, unless Winograd saves more products than its tiles cost to move.
 */
function* portable<Options>(
  s: ConvShape,
  { subgroupSize }: Target,
  direct: Candidate<Options>,
  tiles: () => readonly Estimate<Options>[],
  blocks: Iterable<Candidate<Options>>,
  winograd: readonly Estimate<Options>[],
): Generator<Candidate<Options>> {
  if (hasLanes(subgroupSize)) {
    yield direct;
    yield* byWork(tiles());
    yield* blocks;
    return;
  }
  const products = convFlops(s) / 2;
  yield* byWork(winograd.filter(({ work }) => work < products));
  yield* blocks;
  yield* byWork(winograd.filter(({ work }) => work >= products));
  yield* byWork(tiles());
  yield direct;
}
