import { byWork, type Candidate, hasLanes, LOAD } from '../candidate.ts';
import { type Plan, type Step, step } from '../plan.ts';
import type { Target } from '../target.ts';
import { BLOCKED_VARIANTS, gemmBlockedCandidates } from './blocked.ts';
import { type GemmLanes, gemmLanes } from './lanes.ts';
import { sumPartials } from './partials.ts';
import { gemmQuads } from './quads.ts';
import { ONE_PRODUCT, packing, QUADS_TILES, quadsChoices } from './quads-tiles.ts';
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
const quadsName = ({ rows, columns }: Tile, packed: string): string => `gemm.quads.${rows}x${columns}${packed}`;
/** By whether A, whether B is packed. */
const PACKED = ['', '.packA', '.packB', '.packed'];
const splitName = (name: string): string => `${name}.split`;
/** Names of all candidates, on any device, of the matrix product. */
export const GEMM_VARIANTS: readonly string[] = [
  ...[
    ...QUADS_TILES.flatMap((tile) => PACKED.map((packed) => quadsName(tile, packed))),
    ...LANES.map(lanesName),
  ].flatMap((name) => [name, splitName(name)]),
  ...BLOCKED_VARIANTS,
];

/** A kernel for the product into operand `c`, or with `depth` for partial products. */
interface Product {
  readonly name: string;
  /** Steps that come first, and their scratch tensors. */
  readonly before: readonly Step[];
  readonly scratch: Readonly<Record<string, number>>;
  readonly step: (epilogue: GemmEpilogue, c: string, depth?: number) => Step;
  readonly tiles: number;
}

/**
 * The ways to run the matrix product C = op(A)·op(B), the one of least estimated work first: each kernel with k whole and
 * split. Operands: a, b, bias, c.
 */
export function* gemmCandidates(shape: GemmShape, target: Target): Generator<Candidate<GemmEpilogue>> {
  const { m, n, k } = shape;
  const most = Math.min(k, Math.floor(target.maxBinding / (4 * Math.max(1, m * n))));
  for (const product of products(shape, target)) {
    const parts = Math.min(Math.ceil(BUSY / Math.max(1, product.tiles)), Math.ceil(k / MIN_DEPTH), most);
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

const products = (shape: GemmShape, target: Target): Product[] =>
  hasLanes(target.subgroupSize) ? byWork([...quads(shape, target), ...lanes(shape, target.subgroupSize)]) : [];

type Estimated = Product & { readonly work: number };

const quads = (shape: GemmShape, target: Target): Estimated[] =>
  quadsChoices(shape, ONE_PRODUCT, target).map((choice) => {
    const { tile, packed, tiles, work } = choice;
    const { operands, steps, scratch } = packing(shape, ONE_PRODUCT, choice, { a: 'a', b: 'b' });
    return {
      name: quadsName(tile, PACKED[Number(packed.a) + 2 * Number(packed.b)]),
      before: steps,
      scratch,
      step: ({ bias, ...epilogue }, c, depth) => {
        const options = { ...epilogue, bias: bias ? ('columns' as const) : undefined };
        const kernel = gemmQuads(shape, ONE_PRODUCT, tile, options, depth, packed);
        return step(kernel, { ...operands, bias: 'bias', residual: 'bias', c });
      },
      tiles,
      work,
    };
  });

const lanes = (shape: GemmShape, subgroup: number): Estimated[] =>
  LANES.map((tile) => {
    const { rows, columns } = tile;
    const tiles = Math.ceil(shape.m / rows) * Math.ceil(shape.n / (columns * subgroup));
    const loads = Math.ceil(rows / subgroup) + columns;
    return {
      name: lanesName(tile),
      before: [],
      scratch: {},
      step: (epilogue, c, depth) => step(gemmLanes(shape, { ...tile, subgroup }, epilogue, depth), { ...OPERANDS, c }),
      tiles,
      // The work of overhanging edges counts.
      work: tiles * (shape.k * (loads * LOAD + rows * columns) + 2 * rows * columns * LOAD),
    };
  });

const planWhole = (product: Product, epilogue: GemmEpilogue): Plan => ({
  steps: [...product.before, product.step(epilogue, 'c')],
  scratch: product.scratch,
});

function planSplit({ m, n, k }: GemmShape, product: Product, wantedParts: number, epilogue: GemmEpilogue): Plan {
  const depth = 4 * Math.ceil(k / (4 * wantedParts));
  const parts = Math.ceil(k / depth);
  const sum = sumPartials({ n: m * n, parts, channels: n, ...epilogue });
  return {
    steps: [
      ...product.before,
      product.step({}, 'partial', depth),
      step(sum, { partial: 'partial', bias: 'bias', y: 'c' }),
    ],
    scratch: { ...product.scratch, partial: parts * m * n },
  };
}
