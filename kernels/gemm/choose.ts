import { byWork, type Candidate, hasLanes, LOAD } from '../candidate.ts';
import { type Plan, type Step, step } from '../plan.ts';
import type { Target } from '../target.ts';
import { BLOCKED_VARIANTS, gemmBlockedCandidates } from './blocked.ts';
import { type GemmLanes, gemmLanes } from './lanes.ts';
import { sumPartials } from './partials.ts';
import { type GemmQuads, gemmQuads } from './quads.ts';
import { ONE_PRODUCT, QUADS_TILES, quadsTiles } from './quads-tiles.ts';
import type { GemmEpilogue, GemmShape } from './shape.ts';

/** Workgroups that keep a GPU busy: outputs of fewer tiles split k. Each part is at least MIN_DEPTH long. */
const BUSY = 8;
const MIN_DEPTH = 64;

type Tile = Omit<GemmLanes, 'subgroup'>;
const LANES: readonly Tile[] = [
  { rows: 16, columns: 4 },
  { rows: 8, columns: 4 },
  { rows: 16, columns: 1 },
];

const lanesName = ({ rows, columns }: Tile): string => `gemm.lanes.${rows}x${columns}`;
const quadsName = ({ rows, columns }: Omit<GemmQuads, 'subgroup'>): string => `gemm.quads.${rows}x${columns}`;
const splitName = (name: string): string => `${name}.split`;
/** Names of all candidates, on any device, of the matrix product. */
export const GEMM_VARIANTS: readonly string[] = [
  ...[...QUADS_TILES.map(quadsName), ...LANES.map(lanesName)].flatMap((name) => [name, splitName(name)]),
  ...BLOCKED_VARIANTS,
];

/** A kernel for the product into operand `c`, or with `depth` for partial products. */
interface Product {
  readonly name: string;
  readonly step: (epilogue: GemmEpilogue, c: string, depth?: number) => Step;
  readonly tiles: number;
  /** Workgroups that keep a GPU busy. */
  readonly busy: number;
}

/**
 * The ways to run the matrix product C = op(A)·op(B), the one of least estimated work first: each kernel with k whole and
 * split. Operands: a, b, bias, c.
 */
export function* gemmCandidates(shape: GemmShape, target: Target): Generator<Candidate<GemmEpilogue>> {
  const { m, n, k } = shape;
  const most = Math.min(k, Math.floor(target.maxBinding / (4 * Math.max(1, m * n))));
  for (const product of products(shape, target.subgroupSize)) {
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
  yield* gemmBlockedCandidates(shape, target);
}

const OPERANDS = { a: 'a', b: 'b', bias: 'bias' };

const products = (shape: GemmShape, subgroup: number): Product[] =>
  hasLanes(subgroup) ? byWork([...quads(shape, subgroup), ...lanes(shape, subgroup)]) : [];

type Estimated = Product & { readonly work: number };

const quads = (shape: GemmShape, subgroup: number): Estimated[] =>
  quadsTiles(shape, ONE_PRODUCT, subgroup).map(({ tile, tiles, work }) => ({
    name: quadsName(tile),
    step: ({ bias, ...epilogue }, c, depth) => {
      const kernel = gemmQuads(shape, ONE_PRODUCT, tile, { ...epilogue, bias: bias ? 'columns' : undefined }, depth);
      return step(kernel, { ...OPERANDS, residual: 'bias', c });
    },
    tiles,
    busy: BUSY,
    work,
  }));

const lanes = (shape: GemmShape, subgroup: number): Estimated[] =>
  LANES.map((tile) => {
    const { rows, columns } = tile;
    const tiles = Math.ceil(shape.m / rows) * Math.ceil(shape.n / (columns * subgroup));
    const loads = Math.ceil(rows / subgroup) + columns;
    return {
      name: lanesName(tile),
      step: (epilogue, c, depth) => step(gemmLanes(shape, { ...tile, subgroup }, epilogue, depth), { ...OPERANDS, c }),
      tiles,
      busy: BUSY,
      // The work of overhanging edges counts.
      work: tiles * (shape.k * (loads * LOAD + rows * columns) + 2 * rows * columns * LOAD),
    };
  });

const planWhole = (product: Product, epilogue: GemmEpilogue): Plan => ({
  steps: [product.step(epilogue, 'c')],
  scratch: {},
});

function planSplit({ m, n, k }: GemmShape, product: Product, wantedParts: number, epilogue: GemmEpilogue): Plan {
  const depth = 4 * Math.ceil(k / (4 * wantedParts));
  const parts = Math.ceil(k / depth);
  const sum = sumPartials({ n: m * n, parts, channels: n, ...epilogue });
  return {
    steps: [product.step({}, 'partial', depth), step(sum, { partial: 'partial', bias: 'bias', y: 'c' })],
    scratch: { partial: parts * m * n },
  };
}
