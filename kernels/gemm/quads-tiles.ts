/** Which tile gemm.quads should have for a shape, and whether its operands are packed first, by estimate. */
import { byWork, DISPATCH, LOAD, MOVE } from '../candidate.ts';
import { type Step, step } from '../plan.ts';
import type { Target } from '../target.ts';
import { type Packable, pack, packedSize } from './pack.ts';
import { type GemmQuads, type Packed, quadsAccess, RUN, UNPACKED } from './quads.ts';
import type { GemmBatch, GemmShape } from './shape.ts';

type Tile = Omit<GemmQuads, 'subgroup' | 'steps'>;
export const QUADS_TILES: readonly Tile[] = [
  { rows: 32, columns: 4 },
  // Channels of HRNet-W48 are multiples of 48.
  { rows: 24, columns: 4 },
  { rows: 16, columns: 4 },
];
/** Steps of k in a turn of the loop, unless vectors run along k: more no longer fit where a core finds decoded instructions. */
const STEPS = 2;

/** In multiply-adds of the kind that estimates count: an element of a vector load, a product. */
interface Costs {
  readonly load: number;
  readonly product: number;
}
/** With vectors along k a turn of the loop takes four steps, and its text no longer fits where a core decodes it fast. */
const SHORT_TURN: Costs = { load: 6.5, product: 0.65 };
const LONG_TURN: Costs = { load: LOAD / 2, product: 0.65 };
const RESULT = 1.5 * LOAD;

export const ONE_PRODUCT: GemmBatch = { count: 1, strideA: 0, strideB: 0 };

/** A way to run a product by gemm.quads. */
export interface QuadsChoice {
  readonly tile: GemmQuads;
  /** Which operands are packed first. */
  readonly packed: Packed;
  readonly tiles: number;
  /** Estimated, see {@link Estimate}. */
  readonly work: number;
}

/** Each tile, on operands as they are and packed, the least estimated work first. */
export function quadsChoices(
  shape: GemmShape,
  batch: GemmBatch,
  { subgroupSize, maxBinding }: Pick<Target, 'subgroupSize' | 'maxBinding'>,
): QuadsChoice[] {
  const { alongA, alongB } = quadsAccess(shape, batch);
  const canPackB = shape.n % 4 === 0;
  const needed: Packed = { a: alongA !== 'across', b: alongB !== 'across' && canPackB };
  const packs = [UNPACKED];
  if (shape.m * shape.n * shape.k > 0) {
    if (needed.a || needed.b) packs.push(needed);
    if (canPackB && !(needed.a && needed.b)) packs.push({ a: true, b: true });
  }
  const choices = packs.flatMap((packed) =>
    QUADS_TILES.flatMap((size) => {
      const choice = tileChoice(shape, batch, packed, size, subgroupSize);
      const { scratch, steps } = packing(shape, batch, { ...choice, packed }, { a: 'a', b: 'b' });
      const sizes = Object.values(scratch);
      if (sizes.some((elements) => 4 * elements > maxBinding)) return [];
      const moved = sizes.reduce((sum, elements) => sum + elements, 0);
      const work = choice.work + (moved * MOVE) / subgroupSize + steps.length * DISPATCH;
      return [{ ...choice, packed, work }];
    }),
  );
  return byWork(choices);
}

function tileChoice(
  shape: GemmShape,
  batch: GemmBatch,
  packed: Packed,
  { rows, columns }: Tile,
  subgroup: number,
): Omit<QuadsChoice, 'packed'> {
  const { alongA, alongB } = quadsAccess(shape, batch, packed);
  const long = alongA === 'k' || alongB === 'k';
  const { load, product } = long ? LONG_TURN : SHORT_TURN;
  const steps = long ? RUN : STEPS;
  // Loads of a step.
  const perA = alongA === 'across' ? 4 : 1;
  const loadsA = perA * Math.ceil(rows / (perA * subgroup)) * (alongA === 'none' ? LOAD : load);
  const loadsB = columns * (alongB === 'none' ? LOAD : load);
  const tiles = batch.count * Math.ceil(shape.m / rows) * Math.ceil(shape.n / (columns * subgroup));
  const work = tiles * (shape.k * (loadsA + loadsB + rows * columns * product) + rows * columns * RESULT);
  return { tile: { rows, columns, steps, subgroup }, tiles, work };
}

/** What comes before a product whose operands are tensors `a` and `b`: steps that pack them, in what scratch tensors. */
export function packing(
  { m, n, k, transposeA, transposeB }: GemmShape,
  batch: GemmBatch,
  { tile, packed }: Pick<QuadsChoice, 'tile' | 'packed'>,
  { a, b }: { readonly a: string; readonly b: string },
) {
  const steps: Step[] = [];
  const scratch: Record<string, number> = {};
  const packOne = (
    name: string,
    x: string,
    source: Omit<Packable, 'count' | 'k'>,
  ): { tensor: string; stride: number } => {
    // A matrix that all products share is packed once.
    const count = source.strideMatrix === 0 ? 1 : batch.count;
    const size = packedSize({ ...source, k });
    steps.push(step(pack({ ...source, count, k }), { x, y: name }));
    scratch[name] = count * size;
    return { tensor: name, stride: count === 1 ? 0 : size };
  };
  const [rowA, kA] = transposeA ? [1, m] : [k, 1];
  const [rowB, kB] = transposeB ? [k, 1] : [1, n];
  const ofA = packed.a
    ? packOne('packedA', a, { rows: m, strideMatrix: batch.strideA, strideRow: rowA, strideK: kA, panel: tile.rows })
    : { tensor: a, stride: batch.strideA };
  const ofB = packed.b
    ? packOne('packedB', b, {
        rows: n,
        strideMatrix: batch.strideB,
        strideRow: rowB,
        strideK: kB,
        panel: tile.columns * tile.subgroup,
      })
    : { tensor: b, stride: batch.strideB };
  return {
    batch: { ...batch, strideA: ofA.stride, strideB: ofB.stride },
    operands: { a: ofA.tensor, b: ofB.tensor },
    steps,
    scratch,
  };
}
