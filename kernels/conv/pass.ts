/**
 * What the forward pass and the input gradient share. The input gradient is itself a convolution, of dy with the
 * transposed weight: where it is strided, a pixel of dx pairs only with the taps whose distance is a multiple of the stride.
 */
import { i32, linearGrid, read, type Scalar, u32, write } from '../kernel.ts';
import { type ConvEpilogue, type ConvShape, convBytes, convFlops, outputHeight, outputWidth } from './shape.ts';

/** What every forward kernel binds. Bind any f32 tensor as a bias or residual that the epilogue lacks. */
export const FORWARD_BINDINGS = { x: read(), weight: read(), bias: read(), residual: read(), y: write() };

/** The uniforms that {@link storeEpilogue} reads. */
export const epilogueUniforms = ({ bias, residual, relu }: ConvEpilogue): Record<string, Scalar> => ({
  useBias: u32(bias ? 1 : 0),
  useResidual: u32(residual ? 1 : 0),
  relu: u32(relu ? 1 : 0),
});

/** WGSL that stores the variable `sum` of a channel through the epilogue to y[at]. */
export const storeEpilogue = (sum: string, channel: string, at: string): string => `
  if (u.useBias == 1u) { ${sum} += bias[${channel}]; }
  if (u.useResidual == 1u) { ${sum} += residual[${at}]; }
  y[${at}] = select(${sum}, max(${sum}, 0.0), u.relu == 1u);`;

/** What a pass bakes into its text. */
export interface PassConstants extends Record<string, number | boolean> {
  readonly kh: number;
  readonly kw: number;
  readonly stride: number;
  readonly dilation: number;
  /** Input gradient: padding modulo stride. */
  readonly phase: number;
  readonly backward: boolean;
}

export const passConstants = (s: ConvShape, backward: boolean): PassConstants => ({
  kh: s.kh,
  kw: s.kw,
  stride: s.stride,
  dilation: s.dilation,
  phase: backward ? s.padding % s.stride : 0,
  backward,
});

/** The result of a pass cut into tiles of rows×columns pixels, and the uniforms that describe it. */
export function passLayout(s: ConvShape, tile: { rows: number; columns: number }, backward: boolean) {
  const taps = s.kh * s.kw;
  const x = { channels: s.ci, height: s.h, width: s.w, weightStride: taps };
  const y = { channels: s.co, height: outputHeight(s), width: outputWidth(s), weightStride: s.ci * taps };
  const [from, to] = backward ? [y, x] : [x, y];
  const tilesX = Math.ceil(to.width / tile.columns);
  const tilesY = Math.ceil(to.height / tile.rows);
  const uniforms: Record<string, Scalar> = {
    tiles: u32(s.n * tilesY * tilesX),
    tilesX: u32(tilesX),
    tilesY: u32(tilesY),
    channelsIn: u32(from.channels),
    heightIn: u32(from.height),
    widthIn: u32(from.width),
    channelsOut: u32(to.channels),
    heightOut: u32(to.height),
    widthOut: u32(to.width),
    // Elements of weight from one channel to the next.
    weightIn: u32(from.weightStride),
    weightOut: u32(to.weightStride),
    // The input row and column that belong to row and column 0 of the result.
    origin: i32(backward ? Math.floor(s.padding / s.stride) : -s.padding),
  };
  return { tiles: s.n * tilesY * tilesX, channels: to.channels, uniforms };
}

/**
 * What a kernel over such tiles is described by, but its text: a workgroup takes `group.tiles` tiles of `group.channels`
 * channels of the result.
 */
export function passDispatch<T extends { readonly rows: number; readonly columns: number }>(
  s: ConvShape,
  tile: T,
  backward: boolean,
  group: { readonly tiles: number; readonly channels: number },
  epilogue: Record<string, Scalar>,
) {
  const { tiles, channels, uniforms } = passLayout(s, tile, backward);
  const [gx, gy] = linearGrid(tiles, group.tiles);
  return {
    constants: { ...tile, ...passConstants(s, backward) },
    uniforms: { ...uniforms, ...epilogue },
    grid: [gx, gy, tiles === 0 ? 0 : Math.ceil(channels / group.channels)] as const,
    flops: convFlops(s),
    bytes: convBytes(s),
  };
}

/** Along one axis of a tile: the input position that each (pixel, tap) reads, relative to the tile's; undefined: none. */
export function reach(length: number, kernel: number, { stride, dilation, phase, backward }: PassConstants) {
  return range(length).map((pixel) =>
    range(kernel).map((tap) => {
      if (!backward) return pixel * stride + tap * dilation;
      const position = (pixel + phase - tap * dilation) / stride;
      return Number.isInteger(position) ? position : undefined;
    }),
  );
}

/** Input positions from one tile to the next of `length` pixels. */
export const tileStep = (length: number, { stride, backward }: PassConstants): number =>
  backward ? length / stride : length * stride;

export const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
/** The distinct numbers, ascending. */
export const distinct = (values: readonly (number | undefined)[]): number[] =>
  [...new Set(values.filter((v) => v !== undefined))].sort((a, b) => a - b);
