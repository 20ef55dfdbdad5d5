import type { Kernel } from '../kernel.ts';
import { type Plan, step } from '../plan.ts';
import { type GemmLanes, gemmLanes } from './lanes.ts';
import { sumPartials } from './partials.ts';
import type { GemmEpilogue, GemmShape } from './shape.ts';
import { gemmTiled, TILE } from './tiled.ts';

/** Workgroups that keep a GPU busy: outputs of fewer tiles split k. Each part is at least MIN_DEPTH long. */
const BUSY = { tiled: 64, lanes: 8 };
const MIN_DEPTH = 64;
/** On wider subgroups, hardware's, workgroup memory is expected to win. */
export const WIDEST_LANES = 16;
/** What a load of a subgroup costs in multiply-adds, measured on software GPUs. */
export const LOAD = 20;

const LANES = [
  { rows: 16, columns: 4 },
  { rows: 8, columns: 4 },
  { rows: 16, columns: 1 },
];

/**
 * The matrix product C = op(A)·op(B) for a device with subgroups of `subgroupSize` lanes (0: none). Operands: a, b, bias, c.
 * Partial products take at most `maxScratch` bytes.
 */
export function planGemm(
  shape: GemmShape,
  epilogue: GemmEpilogue,
  subgroupSize: number,
  maxScratch: number = Infinity,
): Plan {
  const lanes = subgroupSize > 0 && subgroupSize <= WIDEST_LANES ? chooseLanes(shape, subgroupSize) : undefined;
  const kernel = (e: GemmEpilogue, depth?: number): Kernel<'a' | 'b' | 'bias' | 'c'> =>
    lanes ? gemmLanes(shape, lanes, e, depth) : gemmTiled(shape, e, depth);
  const tiles = lanes ? lanesTiles(shape, lanes) : Math.ceil(shape.m / TILE) * Math.ceil(shape.n / TILE);
  const parts = Math.min(
    Math.ceil((lanes ? BUSY.lanes : BUSY.tiled) / Math.max(1, tiles)),
    Math.ceil(shape.k / MIN_DEPTH),
    Math.floor(maxScratch / (4 * Math.max(1, shape.m * shape.n))),
  );
  const operands = { a: 'a', b: 'b', bias: 'bias' };
  if (parts <= 1) return { steps: [step(kernel(epilogue), { ...operands, c: 'c' })], scratch: {} };
  const depth = Math.ceil(shape.k / parts);
  const size = shape.m * shape.n;
  const sum = sumPartials({ n: size, parts: Math.ceil(shape.k / depth), channels: shape.n, ...epilogue });
  return {
    steps: [
      step(kernel({}, depth), { ...operands, c: 'partial' }),
      step(sum, { partial: 'partial', bias: 'bias', y: 'c' }),
    ],
    scratch: { partial: Math.ceil(shape.k / depth) * size },
  };
}

const lanesTiles = ({ m, n }: GemmShape, { rows, columns, subgroup }: GemmLanes): number =>
  Math.ceil(m / rows) * Math.ceil(n / (columns * subgroup));

/** The tile with the least estimated work, counting that of its overhanging edges. */
function chooseLanes(shape: GemmShape, subgroup: number): GemmLanes {
  const work = (tile: GemmLanes): number =>
    lanesTiles(shape, tile) * ((Math.ceil(tile.rows / subgroup) + tile.columns) * LOAD + tile.rows * tile.columns);
  return LANES.map((tile) => ({ ...tile, subgroup })).reduce((best, tile) => (work(tile) < work(best) ? tile : best));
}
