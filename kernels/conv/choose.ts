/** The ways to run a convolution. */
import { byWork, type Candidate, type Estimate, hasLanes } from '../candidate.ts';
import type { Target } from '../target.ts';
import { COLUMNS_VARIANTS, columnsForward, columnsInputGradient, columnsWeightGradient } from './im2col-candidates.ts';
import {
  forwardDirect,
  forwardTiles,
  inputGradientDirect,
  inputGradientTiles,
  TILE_VARIANTS,
  weightGradientDirect,
  weightGradientTiles,
} from './register-tiles.ts';
import type { ConvEpilogue, ConvShape } from './shape.ts';
import {
  WINOGRAD_VARIANTS,
  winogradForward,
  winogradInputGradient,
  winogradWeightGradient,
} from './winograd/candidates.ts';

export const CONV_VARIANTS: readonly string[] = [...WINOGRAD_VARIANTS, ...COLUMNS_VARIANTS, ...TILE_VARIANTS];

/**
 * The ways to run y = conv(x, weight) through the epilogue, the one of least estimated work first. Operands: x, weight,
 * bias, residual, y; any f32 tensor may stand for a bias or residual that the epilogue lacks.
 */
export function* convForwardCandidates(s: ConvShape, target: Target): Generator<Candidate<ConvEpilogue>> {
  if (hasLanes(target.subgroupSize)) {
    const subgroups = [winogradForward(s, target), columnsForward(s, target), forwardTiles(s, target.subgroupSize)];
    yield* byWork(subgroups.flat());
  }
  yield* portable(target, forwardDirect(s), () => forwardTiles(s, 0));
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
  yield* portable(target, inputGradientDirect(s), () => inputGradientTiles(s, 0));
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
  yield* portable(target, weightGradientDirect(s, maxParts), () => weightGradientTiles(s, 0, maxParts));
}

/** Where subgroups have their own kernels, the portable tiles come last: the direct kernel compiles at once. */
function* portable<Options>(
  { subgroupSize }: Target,
  direct: Candidate<Options>,
  tiles: () => readonly Estimate<Options>[],
): Generator<Candidate<Options>> {
  if (hasLanes(subgroupSize)) {
    yield direct;
    yield* byWork(tiles());
  } else {
    yield* byWork(tiles());
    yield direct;
  }
}
