/** Candidates that compute a convolution straight from its definition: register tiles, and the direct kernel. */
import { type Candidate, type Estimate, LOAD } from '../candidate.ts';
import { sumPartials } from '../gemm/partials.ts';
import type { Kernel } from '../kernel.ts';
import { type Plan, type Step, step } from '../plan.ts';
import { convForwardDirect, convInputGradientDirect, convWeightGradientDirect, WORKGROUP } from './direct.ts';
import { type ConvLanes, convForwardLanes, convInputGradientLanes } from './lanes.ts';
import { distinct, passConstants, passLayout, range, reach } from './pass.ts';
import { type ConvEpilogue, type ConvShape, outputHeight, outputWidth } from './shape.ts';
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

type Family = 'conv.forward' | 'conv.inputGradient' | 'conv.weightGradient';

/** The name of a tiled candidate: of subgroups, or with a size of 0 portable. */
const tileName = (family: Family, subgroupSize: number, tile: Tile | WeightTile): string =>
  `${family}.${subgroupSize > 0 ? 'lanes' : 'tile'}.${Object.values(tile).join('x')}`;
const directName = (family: Family): string => `${family}.direct`;

export const TILE_VARIANTS: readonly string[] = [
  ...familyNames('conv.forward', [...POINTWISE_LANES, ...LANES], TILES),
  ...familyNames('conv.inputGradient', [...POINTWISE_LANES, ...LANES], TILES),
  ...familyNames('conv.weightGradient', [...POINTWISE_WEIGHT_LANES, ...WEIGHT_LANES], WEIGHT_TILES),
];

function familyNames<T extends Tile | WeightTile>(family: Family, lanes: readonly T[], tiles: readonly T[]): string[] {
  const names = [
    ...lanes.map((tile) => tileName(family, 1, tile)),
    ...tiles.map((tile) => tileName(family, 0, tile)),
    directName(family),
  ];
  return [...new Set(names)];
}

const single = (only: Step): Plan => ({ steps: [only], scratch: {} });

/** Register tiles of subgroups, or where `subgroupSize` is 0 portable ones; as listed, infinite work for what does not fit. */
export function forwardTiles(s: ConvShape, subgroupSize: number): Estimate<ConvEpilogue>[] {
  return passTiles(s, false, subgroupSize).map(({ tile, work }) => ({
    name: tileName('conv.forward', subgroupSize, tile),
    work,
    plan: (epilogue) =>
      single(
        step(
          subgroupSize > 0
            ? convForwardLanes(s, { ...tile, subgroup: subgroupSize }, epilogue)
            : convForwardTile(s, tile, epilogue),
          FORWARD,
        ),
      ),
  }));
}

/** {@link forwardTiles} of the gradient to x. */
export function inputGradientTiles(s: ConvShape, subgroupSize: number): Estimate<boolean>[] {
  return passTiles(s, true, subgroupSize).map(({ tile, work }) => ({
    name: tileName('conv.inputGradient', subgroupSize, tile),
    work,
    plan: (accumulate) =>
      single(
        step(
          subgroupSize > 0
            ? convInputGradientLanes(s, { ...tile, subgroup: subgroupSize }, accumulate)
            : convInputGradientTile(s, tile, accumulate),
          INPUT_GRADIENT,
        ),
      ),
  }));
}

/** {@link forwardTiles} of the gradient to the weight, in at most `maxParts` partial sums. */
export function weightGradientTiles(s: ConvShape, subgroupSize: number, maxParts: number): Estimate<boolean>[] {
  return weightTiles(s, subgroupSize).map(({ tile, work }) => ({
    name: tileName('conv.weightGradient', subgroupSize, tile),
    work,
    plan: (accumulate) =>
      planParts(s, tiledWeightGradient(s, { ...tile, ...weightLanes(subgroupSize) }, maxParts), accumulate),
  }));
}

const FORWARD = { x: 'x', weight: 'weight', bias: 'bias', residual: 'residual', y: 'y' };
const INPUT_GRADIENT = { dy: 'dy', weight: 'weight', dx: 'dx' };

/** The kernels that take any shape. */
export const forwardDirect = (s: ConvShape): Candidate<ConvEpilogue> => ({
  name: directName('conv.forward'),
  plan: (epilogue) => single(step(convForwardDirect(s, epilogue), FORWARD)),
});
export const inputGradientDirect = (s: ConvShape): Candidate<boolean> => ({
  name: directName('conv.inputGradient'),
  plan: (accumulate) => single(step(convInputGradientDirect(s, accumulate), INPUT_GRADIENT)),
});
export const weightGradientDirect = (s: ConvShape, maxParts: number): Candidate<boolean> => ({
  name: directName('conv.weightGradient'),
  plan: (accumulate) => planParts(s, directWeightGradient(s, maxParts), accumulate),
});

interface Fitting<T> {
  readonly tile: T;
  readonly work: number;
}
const fitting = <T>(tiles: readonly T[], work: (tile: T) => number): Fitting<T>[] =>
  tiles.map((tile) => ({ tile, work: work(tile) }));

/** The overhang of a tile is included in its work. */
function passTiles(s: ConvShape, backward: boolean, subgroupSize: number): Fitting<Tile>[] {
  const lanes = subgroupSize > 0;
  const constants = passConstants(s, backward);
  const inner = backward ? s.co : s.ci;
  const pointwise = s.kh * s.kw === 1;
  return fitting(!lanes ? TILES : pointwise ? POINTWISE_LANES : LANES, (tile) => {
    if (backward && (tile.rows % s.stride !== 0 || tile.columns % s.stride !== 0)) return Infinity;
    const reachY = reach(tile.rows, s.kh, constants).flat();
    const reachX = reach(tile.columns, s.kw, constants).flat();
    const hits = (positions: readonly (number | undefined)[]) => positions.filter((p) => p !== undefined).length;
    const products = hits(reachY) * hits(reachX) * tile.channels;
    const patch = distinct(reachY).length * distinct(reachX).length;
    const weights = s.kh * s.kw * tile.channels;
    const loads = lanes ? Math.ceil(patch / subgroupSize) + weights : patch + weights;
    if (products > MAX_PRODUCTS || (!lanes && loads > MAX_LOADS)) return Infinity;
    const { tiles, channels } = passLayout(s, tile, backward);
    const groups = Math.ceil(channels / (tile.channels * (lanes ? subgroupSize : 1)));
    return tiles * groups * (inner * (loads * LOAD + products) + tile.rows * tile.columns * tile.channels * LOAD);
  });
}

interface WeightGradient {
  readonly parts: number;
  readonly kernel: (accumulate: boolean) => Kernel<'x' | 'dy' | 'partial'>;
}

function planParts(s: ConvShape, { parts, kernel }: WeightGradient, accumulate: boolean): Plan {
  if (parts === 1) return single(step(kernel(accumulate), { x: 'x', dy: 'dy', partial: 'dw' }));
  const size = s.co * s.ci * s.kh * s.kw;
  return {
    steps: [
      step(kernel(false), { x: 'x', dy: 'dy', partial: 'partial' }),
      step(sumPartials({ n: size, parts, accumulate }), { partial: 'partial', bias: 'x', y: 'dw' }),
    ],
    scratch: { partial: parts * size },
  };
}

/** Rows of `columns` output pixels. */
const stripRows = (s: ConvShape, columns: number): number =>
  s.n * outputHeight(s) * Math.ceil(outputWidth(s) / columns);

function tiledWeightGradient(s: ConvShape, tile: ConvWeightTile, maxParts: number): WeightGradient {
  const groups = Math.ceil(s.ci / (tile.workgroup * tile.inputs)) * Math.ceil(s.co / tile.outputs);
  const wanted = Math.ceil((tile.subgroup ? BUSY.lanes : BUSY.tile) / groups);
  const worthwhile = Math.floor(stripRows(s, tile.columns) / MIN_STRIP_ROWS);
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

const weightLanes = (subgroupSize: number): Pick<ConvWeightTile, 'workgroup' | 'subgroup'> => ({
  workgroup: subgroupSize > 0 ? subgroupSize : PORTABLE_LANES,
  subgroup: subgroupSize > 0,
});

/** The tiles that fit, the overhang of each included in its work. */
function weightTiles(s: ConvShape, subgroupSize: number): Fitting<WeightTile>[] {
  const { workgroup, subgroup } = weightLanes(subgroupSize);
  const pointwise = s.kh * s.kw === 1;
  const tiles = !subgroup ? WEIGHT_TILES : pointwise ? POINTWISE_WEIGHT_LANES : WEIGHT_LANES;
  return fitting(tiles, ({ inputs, outputs, columns }) => {
    const products = inputs * outputs * columns * s.kh * s.kw;
    const width = distinct(range(columns).flatMap((p) => range(s.kw).map((t) => p * s.stride + t * s.dilation))).length;
    const window = (s.kh - 1) * s.dilation + 1;
    if (products > MAX_PRODUCTS || inputs * window * width > MAX_HELD) return Infinity;
    const loads =
      inputs * Math.min(s.stride, window) * width + (subgroup ? (outputs * columns) / subgroupSize : outputs * columns);
    const groups = Math.ceil(s.ci / (workgroup * inputs)) * Math.ceil(s.co / outputs);
    return groups * stripRows(s, columns) * (loads * LOAD + products);
  });
}
