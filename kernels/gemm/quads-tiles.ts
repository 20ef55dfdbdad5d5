/** Which tile gemm.quads should have for a shape, by estimate. */
import { byWork, LOAD } from '../candidate.ts';
import { type GemmQuads, quadsAccess } from './quads.ts';
import type { GemmBatch, GemmShape } from './shape.ts';

type Tile = Omit<GemmQuads, 'subgroup'>;
export const QUADS_TILES: readonly Tile[] = [
  { rows: 32, columns: 4 },
  { rows: 16, columns: 4 },
];

/** Costs in multiply-adds of the kind that the sums of a loop are: an element of a vector load, a product, a result. */
const VECTOR_LOAD = LOAD / 2;
const PRODUCT = 0.65;
const RESULT = 1.5 * LOAD;

export const ONE_PRODUCT: GemmBatch = { count: 1, strideA: 0, strideB: 0 };

/** The tiles with the estimated work of each, the least first. */
export function quadsTiles(
  shape: GemmShape,
  batch: GemmBatch,
  subgroup: number,
): { readonly tile: GemmQuads; readonly tiles: number; readonly work: number }[] {
  const { alongA, alongB } = quadsAccess(shape, batch);
  // Element by element, the loads of a large tile take longer to compile than they save.
  const sizes = alongA === 'none' || alongB === 'none' ? QUADS_TILES.slice(1) : QUADS_TILES;
  const estimates = sizes.map((size) => {
    const tile = { ...size, subgroup };
    const { rows, columns } = tile;
    const loadsA = 4 * (alongA === 'across' ? 4 * Math.ceil(rows / (4 * subgroup)) : Math.ceil(rows / subgroup));
    const loads =
      loadsA * (alongA === 'none' ? LOAD : VECTOR_LOAD) + 4 * columns * (alongB === 'none' ? LOAD : VECTOR_LOAD);
    const tiles = batch.count * Math.ceil(shape.m / rows) * Math.ceil(shape.n / (columns * subgroup));
    const work = tiles * (Math.ceil(shape.k / 4) * (loads + 4 * rows * columns * PRODUCT) + rows * columns * RESULT);
    return { tile, tiles, work };
  });
  return byWork(estimates);
}
