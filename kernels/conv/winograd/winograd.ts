/**
 * 3×3 convolutions of stride 1 by Winograd's minimal filtering, unfused: tiles and filters into the domain, a matrix product
 * for each of its points, and back. F(4×4, 3×3) takes a quarter of the direct products, F(2×2, 3×3) 4 of 9. The
 * gradient to the weight is F(3×3, 4×4) of x with tiles of dy as filters, summed over the tiles in the domain.
 *
 * Tiles are taken in ranges whose scratch tensors stay small: they are read again while caches still hold them.
 */
import type { GemmBatch, GemmShape } from '../../gemm/shape.ts';
import { type Plan, type Step, step } from '../../plan.ts';
import { type ConvEpilogue, type ConvShape, outputHeight, outputWidth } from '../shape.ts';
import { winograd } from './matrices.ts';
import {
  type TileGrid,
  type TileRange,
  winogradImage,
  winogradTiles,
  winogradWeight,
  winogradWeightGradient,
} from './transforms.ts';

/** Pixels of a tile of the result, or of dy for the weight gradient, along one axis. */
export type WinogradTile = 2 | 4;

/** How the products of the domain's points are computed. */
export interface Products {
  /** The step of a batch of them: of operands a and b into c, or with `accumulate` added to it. */
  readonly step: (
    shape: GemmShape,
    batch: GemmBatch,
    operands: { readonly a: string; readonly b: string; readonly c: string },
    accumulate: boolean,
  ) => Step;
  /** Whether tiles are the rows of a product of a convolution and channels its columns, not the reverse. */
  readonly tilesAsRows: boolean;
}

/** Bytes that a scratch tensor of tiles takes, unless the tensor of the weights is larger. */
const SCRATCH = 2 ** 25;

export const winogradFits = ({ kh, kw, stride, dilation, n, ci, co }: ConvShape): boolean =>
  kh === 3 && kw === 3 && stride === 1 && dilation === 1 && n * ci * co > 0;

/** Rows and columns in the domain are whole vectors. */
export const padded = (size: number): number => 4 * Math.ceil(size / 4);
/** Products of rows that are whole vectors are fastest with k as the first axis of both operands. */
export const innerFirst = (...sizes: readonly number[]): boolean => sizes.every((size) => size % 4 === 0);

/** The product at each point of a convolution's domain: of `channels` results by `tiles`, a sum over `inner` channels. */
export function pointProduct(
  { channels, tiles, inner }: { readonly channels: number; readonly tiles: number; readonly inner: number },
  tilesAsRows: boolean,
): GemmShape {
  const k = inner;
  return tilesAsRows
    ? { m: tiles, n: channels, k, transposeA: true }
    : { m: channels, n: tiles, k, transposeA: innerFirst(channels) };
}
const square = (n: number): number => n * n;

const tilesOf = (length: number, step: number): number => Math.ceil(length / step);

/** Ranges of equal length of all tiles of a batch, such that a domain of `rows` channels keeps to the scratch. */
function ranges(tiles: number, rows: number, points: number): TileRange[] {
  const most = Math.max(4, Math.floor(SCRATCH / (4 * square(points) * rows)));
  const count = Math.ceil(tiles / Math.ceil(tiles / most));
  const starts = Array.from({ length: Math.ceil(tiles / count) }, (_, i) => i * count);
  return starts.map((first) => ({
    first,
    count: Math.min(count, tiles - first),
    columns: padded(Math.min(count, tiles - first)),
  }));
}

/** y = conv(x, weight) through the epilogue. Operands: x, weight, bias, residual, y. */
export function planWinogradForward(
  s: ConvShape,
  outputs: WinogradTile,
  products: Products,
  epilogue: ConvEpilogue,
): Plan {
  const operands = { image: 'x', weight: 'weight', bias: 'bias', residual: 'residual', result: 'y' };
  const size = { height: outputHeight(s), width: outputWidth(s) };
  const input = { channels: s.ci, height: s.h, width: s.w, origin: -s.padding };
  return pass(s, input, { ...size, channels: s.co }, outputs, products, epilogue, operands, false);
}

/** The gradient to x, or with `accumulate` added to it: the convolution of dy with the weights turned and transposed. */
export function planWinogradInputGradient(
  s: ConvShape,
  outputs: WinogradTile,
  products: Products,
  accumulate: boolean,
): Plan {
  const operands = { image: 'dy', weight: 'weight', bias: 'weight', residual: 'weight', result: 'dx' };
  const dy = { channels: s.co, height: outputHeight(s), width: outputWidth(s), origin: s.padding - (s.kh - 1) };
  return pass(s, dy, { channels: s.ci, height: s.h, width: s.w }, outputs, products, { accumulate }, operands, true);
}

interface Image {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

function pass(
  s: ConvShape,
  from: Image & { readonly origin: number },
  to: Image,
  outputs: WinogradTile,
  products: Products,
  epilogue: ConvEpilogue & { accumulate?: boolean },
  operands: Readonly<Record<'image' | 'weight' | 'bias' | 'residual' | 'result', string>>,
  backward: boolean,
): Plan {
  const { points, input, filter, output } = winograd(outputs, s.kh);
  const inner = padded(from.channels);
  const grid = { tilesY: tilesOf(to.height, outputs), tilesX: tilesOf(to.width, outputs), step: outputs };
  const all = ranges(s.n * grid.tilesY * grid.tilesX, Math.max(inner, to.channels), points);
  const { tilesAsRows } = products;
  const rowsLast = innerFirst(to.channels);
  const weight = winogradWeight({ co: s.co, ci: s.ci, columns: inner, rowsLast }, filter, backward);
  const steps: Step[] = [step(weight, { weight: operands.weight, domain: 'filters' })];
  for (const range of all) {
    const { columns } = range;
    const product = pointProduct({ channels: to.channels, tiles: columns, inner }, tilesAsRows);
    const [strideWeight, strideTiles] = [to.channels * inner, inner * columns];
    const batch = tilesAsRows
      ? { count: square(points), strideA: strideTiles, strideB: strideWeight }
      : { count: square(points), strideA: strideWeight, strideB: strideTiles };
    const factors = tilesAsRows ? { a: 'tiles', b: 'filters' } : { a: 'filters', b: 'tiles' };
    const place = { ...from, ...grid, rows: inner, channelsLast: false };
    const tiles = winogradTiles(place, range, { name: `tiles${outputs}`, matrix: input });
    const image = winogradImage(
      { ...to, ...grid, channelsLast: tilesAsRows },
      range,
      { name: `image${outputs}`, matrix: output },
      epilogue,
    );
    steps.push(
      step(tiles, { image: operands.image, domain: 'tiles' }),
      products.step(product, batch, { ...factors, c: 'products' }, false),
      step(image, {
        domain: 'products',
        bias: operands.bias,
        residual: operands.residual,
        image: operands.result,
      }),
    );
  }
  const columns = Math.max(...all.map((range) => range.columns));
  return {
    steps,
    scratch: {
      filters: square(points) * to.channels * inner,
      tiles: square(points) * inner * columns,
      products: square(points) * to.channels * columns,
    },
  };
}

/** The gradient to weight, or with `accumulate` added to it. Operands: x, dy, dw. */
export function planWinogradWeightGradient(
  s: ConvShape,
  filterSize: WinogradTile,
  products: Products,
  accumulate: boolean,
): Plan {
  const { points, input, filter, output } = winograd(s.kh, filterSize);
  const [height, width] = [outputHeight(s), outputWidth(s)];
  const grid = { tilesY: tilesOf(height, filterSize), tilesX: tilesOf(width, filterSize), step: filterSize };
  const x: TileGrid = { channels: s.ci, height: s.h, width: s.w, ...grid };
  const dy: TileGrid = { channels: s.co, height, width, ...grid };
  const steps: Step[] = [];
  const channelsLast = innerFirst(s.ci, s.co);
  const all = ranges(s.n * grid.tilesY * grid.tilesX, Math.max(s.ci, s.co), points);
  for (const range of all) {
    const { columns } = range;
    const product: GemmShape = { m: s.co, n: s.ci, k: columns, transposeA: channelsLast, transposeB: !channelsLast };
    const batch: GemmBatch = { count: square(points), strideA: s.co * columns, strideB: s.ci * columns };
    const inputs = { name: `inputs${filterSize}`, matrix: input };
    const filters = { name: `filters${filterSize}`, matrix: filter };
    steps.push(
      step(winogradTiles({ ...x, origin: -s.padding, rows: s.ci, channelsLast }, range, inputs), {
        image: 'x',
        domain: 'inputs',
      }),
      step(winogradTiles({ ...dy, origin: 0, rows: s.co, channelsLast }, range, filters), {
        image: 'dy',
        domain: 'filters',
      }),
      products.step(product, batch, { a: 'filters', b: 'inputs', c: 'products' }, range.first > 0),
    );
  }
  const back = winogradWeightGradient({ filters: s.co * s.ci }, output, accumulate);
  const columns = Math.max(...all.map((range) => range.columns));
  return {
    steps: [...steps, step(back, { domain: 'products', dw: 'dw' })],
    scratch: {
      inputs: square(points) * s.ci * columns,
      filters: square(points) * s.co * columns,
      products: square(points) * s.co * s.ci,
    },
  };
}
