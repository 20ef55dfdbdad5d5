import { byWork, type Candidate, hasLanes, LOAD } from '../candidate.ts';
import type { Kernel } from '../kernel.ts';
import { type Plan, step } from '../plan.ts';
import type { Target } from '../target.ts';
import { type GemmLanes, gemmLanes } from './lanes.ts';
import { sumPartials } from './partials.ts';
import type { GemmEpilogue, GemmShape } from './shape.ts';
import { gemmTiled, TILE } from './tiled.ts';

/** Workgroups that keep a GPU busy: outputs of fewer tiles split k. Each part is at least MIN_DEPTH long. */
const BUSY = { tiled: 64, lanes: 8 };
const MIN_DEPTH = 64;

type Tile = Omit<GemmLanes, 'subgroup'>;
const LANES: readonly Tile[] = [
  { rows: 16, columns: 4 },
  { rows: 8, columns: 4 },
  { rows: 16, columns: 1 },
];

const TILED = 'gemm.tiled';
const lanesName = ({ rows, columns }: Tile): string => `gemm.lanes.${rows}x${columns}`;
const splitName = (name: string): string => `${name}.split`;
export const GEMM_VARIANTS: readonly string[] = [...LANES.map(lanesName), TILED].flatMap((name) => [
  name,
  splitName(name),
]);

/** A kernel for the product, or with `depth` for partial products. */
interface Product {
  readonly name: string;
  readonly kernel: (epilogue: GemmEpilogue, depth?: number) => Kernel<'a' | 'b' | 'bias' | 'c'>;
  readonly tiles: number;
  /** Workgroups that keep a GPU busy. */
  readonly busy: number;
}

/**
 * The ways to run the matrix product C = op(A)·op(B), the one of least estimated work first: each kernel with k whole and
 * split. Operands: a, b, bias, c.
 */
export function* gemmCandidates(
  shape: GemmShape,
  { subgroupSize, maxBinding }: Target,
): Generator<Candidate<GemmEpilogue>> {
  const { m, n, k } = shape;
  const most = Math.min(k, Math.floor(maxBinding / (4 * Math.max(1, m * n))));
  for (const product of products(shape, subgroupSize)) {
    const parts = Math.min(Math.ceil(product.busy / Math.max(1, product.tiles)), Math.ceil(k / MIN_DEPTH), most);
    const whole = { name: product.name, plan: (epilogue: GemmEpilogue) => planWhole(product, epilogue) };
    const split = {
      name: splitName(product.name),
      plan: (epilogue: GemmEpilogue) => planSplit(shape, product, Math.max(2, parts), epilogue),
    };
    if (parts > 1) yield split;
    yield whole;
    if (parts <= 1 && most > 1) yield split;
  }
}

function* products(shape: GemmShape, subgroupSize: number): Generator<Product> {
  const { m, n } = shape;
  if (hasLanes(subgroupSize)) {
    const subgroup = subgroupSize;
    const tiles = ({ rows, columns }: Tile): number => Math.ceil(m / rows) * Math.ceil(n / (columns * subgroup));
    // The work of overhanging edges counts.
    const work = (tile: Tile): number =>
      tiles(tile) * ((Math.ceil(tile.rows / subgroup) + tile.columns) * LOAD + tile.rows * tile.columns);
    for (const tile of byWork(LANES, work)) {
      const kernel: Product['kernel'] = (epilogue, depth) => gemmLanes(shape, { ...tile, subgroup }, epilogue, depth);
      yield { name: lanesName(tile), kernel, tiles: tiles(tile), busy: BUSY.lanes };
    }
  }
  yield {
    name: TILED,
    kernel: (epilogue, depth) => gemmTiled(shape, epilogue, depth),
    tiles: Math.ceil(m / TILE) * Math.ceil(n / TILE),
    busy: BUSY.tiled,
  };
}

const OPERANDS = { a: 'a', b: 'b', bias: 'bias' };

const planWhole = ({ kernel }: Product, epilogue: GemmEpilogue): Plan => ({
  steps: [step(kernel(epilogue), { ...OPERANDS, c: 'c' })],
  scratch: {},
});

function planSplit({ m, n, k }: GemmShape, { kernel }: Product, wantedParts: number, epilogue: GemmEpilogue): Plan {
  const depth = Math.ceil(k / wantedParts);
  const parts = Math.ceil(k / depth);
  const sum = sumPartials({ n: m * n, parts, channels: n, ...epilogue });
  return {
    steps: [
      step(kernel({}, depth), { ...OPERANDS, c: 'partial' }),
      step(sum, { partial: 'partial', bias: 'bias', y: 'c' }),
    ],
    scratch: { partial: parts * m * n },
  };
}
