/** Which variants run a convolution, by estimated work. A subgroup size of 0 is a device without subgroups. */
import { LOAD, WIDEST_LANES } from '../gemm/choose.ts';
import { sumPartials } from '../gemm/partials.ts';
import type { Kernel } from '../kernel.ts';
import { type Plan, step } from '../plan.ts';
import { convForwardDirect, convInputGradientDirect, convWeightGradientDirect, WORKGROUP } from './direct.ts';
import { type ConvLanes, convForwardLanes, convInputGradientLanes } from './lanes.ts';
import { distinct, passConstants, passLayout, range, reach } from './pass.ts';
import { type ConvShape, outputHeight, outputWidth } from './shape.ts';
import { type ConvTile, convForwardTile, convInputGradientTile } from './tile.ts';
import { type ConvWeightTile, convWeightGradientTile, splitStrips } from './weight-tile.ts';

/** Unrolled products of one invocation: more compile for too long. */
const MAX_PRODUCTS = 640;
/** Values of x that an invocation of a weight gradient holds. */
const MAX_HELD = 200;
/** Loads in the text of a portable tile, for the same reason: each takes software GPUs tens of milliseconds to compile. */
const MAX_LOADS = 64;
/** Lanes of a weight gradient's workgroup, one an input channel, without subgroups. */
const PORTABLE_LANES = 32;
/** Workgroups that keep a GPU busy, and the fewest strip rows that are worth a part of their own. */
const BUSY = { lanes: 16, tile: 128 };
const MIN_STRIP_ROWS = 16;

type Tile = Pick<ConvLanes, 'rows' | 'columns' | 'channels'>;
/** For kernels of one tap, and of more. */
const POINTWISE_LANES: readonly Tile[] = [
  { rows: 4, columns: 8, channels: 1 },
  { rows: 4, columns: 8, channels: 2 },
];
const LANES: readonly Tile[] = [
  { rows: 8, columns: 8, channels: 1 },
  // RoI features are 7×7.
  { rows: 7, columns: 7, channels: 1 },
  { rows: 4, columns: 8, channels: 1 },
  { rows: 2, columns: 4, channels: 1 },
];
const TILES: readonly ConvTile[] = [
  { rows: 2, columns: 4, channels: 4 },
  { rows: 2, columns: 4, channels: 2 },
];
type WeightTile = Pick<ConvWeightTile, 'inputs' | 'outputs' | 'columns'>;
const WEIGHT_LANES: readonly WeightTile[] = [
  { inputs: 1, outputs: 8, columns: 8 },
  { inputs: 1, outputs: 1, columns: 8 },
];
const POINTWISE_WEIGHT_LANES: readonly WeightTile[] = [{ inputs: 1, outputs: 16, columns: 8 }];
/** Without broadcasts every value of dy is a load of its own. */
const WEIGHT_TILES: readonly WeightTile[] = [
  { inputs: 1, outputs: 4, columns: 8 },
  { inputs: 1, outputs: 1, columns: 8 },
];

const hasLanes = (subgroupSize: number): boolean => subgroupSize > 0 && subgroupSize <= WIDEST_LANES;

/** y = conv(x, weight) + bias, through max(0, ·) when `relu`. Operands: x, weight, bias, y. */
export function planConvForward(s: ConvShape, epilogue: { bias: boolean; relu: boolean }, subgroupSize: number): Plan {
  const operands = { x: 'x', weight: 'weight', bias: 'bias', y: 'y' };
  const tile = choosePass(s, false, subgroupSize);
  const kernel = !tile
    ? convForwardDirect(s, epilogue)
    : hasLanes(subgroupSize)
      ? convForwardLanes(s, { ...tile, subgroup: subgroupSize }, epilogue)
      : convForwardTile(s, tile, epilogue);
  return { steps: [step(kernel, operands)], scratch: {} };
}

/** The gradient to x. Operands: dy, weight, dx. */
export function planConvInputGradient(s: ConvShape, accumulate: boolean, subgroupSize: number): Plan {
  const operands = { dy: 'dy', weight: 'weight', dx: 'dx' };
  const tile = choosePass(s, true, subgroupSize);
  const kernel = !tile
    ? convInputGradientDirect(s, accumulate)
    : hasLanes(subgroupSize)
      ? convInputGradientLanes(s, { ...tile, subgroup: subgroupSize }, accumulate)
      : convInputGradientTile(s, tile, accumulate);
  return { steps: [step(kernel, operands)], scratch: {} };
}

/** The tile of least estimated work, its overhang included; undefined where none fits. */
function choosePass(s: ConvShape, backward: boolean, subgroupSize: number): Tile | undefined {
  const lanes = hasLanes(subgroupSize);
  const constants = passConstants(s, backward);
  const inner = backward ? s.co : s.ci;
  const pointwise = s.kh * s.kw === 1;
  let best: Tile | undefined;
  let least = Infinity;
  for (const tile of !lanes ? TILES : pointwise ? POINTWISE_LANES : LANES) {
    if (backward && (tile.rows % s.stride !== 0 || tile.columns % s.stride !== 0)) continue;
    const reachY = reach(tile.rows, s.kh, constants).flat();
    const reachX = reach(tile.columns, s.kw, constants).flat();
    const hits = (positions: readonly (number | undefined)[]) => positions.filter((p) => p !== undefined).length;
    const products = hits(reachY) * hits(reachX) * tile.channels;
    const patch = distinct(reachY).length * distinct(reachX).length;
    const weights = s.kh * s.kw * tile.channels;
    const loads = lanes ? Math.ceil(patch / subgroupSize) + weights : patch + weights;
    if (products > MAX_PRODUCTS || (!lanes && loads > MAX_LOADS)) continue;
    const { tiles, channels } = passLayout(s, tile, backward);
    const groups = Math.ceil(channels / (tile.channels * (lanes ? subgroupSize : 1)));
    const work = tiles * groups * (inner * (loads * LOAD + products) + tile.rows * tile.columns * tile.channels * LOAD);
    if (work < least) [best, least] = [tile, work];
  }
  return best;
}

/** The gradient to weight. Operands: x, dy, dw. Partial sums take at most `maxScratch` bytes. */
export function planConvWeightGradient(
  s: ConvShape,
  accumulate: boolean,
  subgroupSize: number,
  maxScratch: number = Infinity,
): Plan {
  const tile = chooseWeightTile(s, subgroupSize);
  const size = s.co * s.ci * s.kh * s.kw;
  const maxParts = Math.max(1, Math.floor(maxScratch / (4 * size)));
  const { parts, kernel } = tile ? tiledWeightGradient(s, tile, maxParts) : directWeightGradient(s, maxParts);
  if (parts === 1) return { steps: [step(kernel(accumulate), { x: 'x', dy: 'dy', partial: 'dw' })], scratch: {} };
  return {
    steps: [
      step(kernel(false), { x: 'x', dy: 'dy', partial: 'partial' }),
      step(sumPartials({ n: size, parts, accumulate }), { partial: 'partial', bias: 'x', y: 'dw' }),
    ],
    scratch: { partial: parts * size },
  };
}

interface WeightGradient {
  readonly parts: number;
  readonly kernel: (accumulate: boolean) => Kernel<'x' | 'dy' | 'partial'>;
}

function tiledWeightGradient(s: ConvShape, tile: ConvWeightTile, maxParts: number): WeightGradient {
  const groups = Math.ceil(s.ci / (tile.workgroup * tile.inputs)) * Math.ceil(s.co / tile.outputs);
  const stripRows = s.n * outputHeight(s) * Math.ceil(outputWidth(s) / tile.columns);
  const wanted = Math.ceil((tile.subgroup ? BUSY.lanes : BUSY.tile) / groups);
  const worthwhile = Math.floor(stripRows / MIN_STRIP_ROWS);
  const split = splitStrips(s, tile.columns, Math.max(1, Math.min(wanted, worthwhile, maxParts)));
  return { parts: split.parts, kernel: (accumulate) => convWeightGradientTile(s, tile, split, accumulate) };
}

function directWeightGradient(s: ConvShape, maxParts: number): WeightGradient {
  const total = s.n * outputHeight(s);
  const wanted = Math.min(maxParts, Math.ceil((BUSY.tile * WORKGROUP) / (s.co * s.ci * s.kh * s.kw)));
  const rows = Math.max(1, Math.ceil(total / wanted));
  return {
    parts: Math.max(1, Math.ceil(total / rows)),
    kernel: (accumulate) => convWeightGradientDirect(s, { rows, accumulate }),
  };
}

/** The tile of least estimated work, its overhang included; undefined where none fits. */
function chooseWeightTile(s: ConvShape, subgroupSize: number): ConvWeightTile | undefined {
  const subgroup = hasLanes(subgroupSize);
  const workgroup = subgroup ? subgroupSize : PORTABLE_LANES;
  let best: ConvWeightTile | undefined;
  let least = Infinity;
  for (const tile of !subgroup ? WEIGHT_TILES : s.kh * s.kw === 1 ? POINTWISE_WEIGHT_LANES : WEIGHT_LANES) {
    const { inputs, outputs, columns } = tile;
    const products = inputs * outputs * columns * s.kh * s.kw;
    const width = distinct(range(columns).flatMap((p) => range(s.kw).map((t) => p * s.stride + t * s.dilation))).length;
    const window = (s.kh - 1) * s.dilation + 1;
    if (products > MAX_PRODUCTS || inputs * window * width > MAX_HELD) continue;
    const loads =
      inputs * Math.min(s.stride, window) * width + (subgroup ? (outputs * columns) / subgroupSize : outputs * columns);
    const groups = Math.ceil(s.ci / (workgroup * inputs)) * Math.ceil(s.co / outputs);
    const work = groups * (loads * LOAD + products);
    if (work < least) [best, least] = [{ ...tile, workgroup, subgroup }, work];
  }
  return best;
}
