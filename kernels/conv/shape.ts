import { KernelSizeError } from '../kernel.ts';

/** Sizes of a 2-d convolution in PyTorch's terms: x [n,ci,h,w], weight [co,ci,kh,kw], y [n,co,ho,wo], all f32. */
export interface ConvShape {
  /** Images of the batch. */
  readonly n: number;
  /** Input channels. */
  readonly ci: number;
  /** Rows of x. */
  readonly h: number;
  /** Columns of x. */
  readonly w: number;
  /** Output channels. */
  readonly co: number;
  /** Rows of the kernel. */
  readonly kh: number;
  /** Columns of the kernel. */
  readonly kw: number;
  /** Cells of x from one output to the next, in both directions. */
  readonly stride: number;
  /** Zeros around x on all sides, cells. */
  readonly padding: number;
  /** Cells of x from one tap to the next; 1 is dense. */
  readonly dilation: number;
}

/** What follows the products: y = max(0, Σ + bias [co] + residual, shaped like y). */
export interface ConvEpilogue {
  /** Adds bias [co]. */
  readonly bias?: boolean;
  /** Adds a tensor shaped like y. */
  readonly residual?: boolean;
  /** Passes the sum through max(0, ·). */
  readonly relu?: boolean;
}

/** Pixels along one axis after a convolution; below 1 when the kernel does not fit. */
export const outputLength = (
  length: number,
  kernel: number,
  { stride, padding, dilation }: Pick<ConvShape, 'stride' | 'padding' | 'dilation'>,
): number => Math.floor((length + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;

/** ho = ⌊(h + 2·padding − dilation·(kh − 1) − 1)/stride⌋ + 1. */
export const outputHeight = (s: ConvShape): number => outputLength(s.h, s.kh, s);
/** wo = ⌊(w + 2·padding − dilation·(kw − 1) − 1)/stride⌋ + 1. */
export const outputWidth = (s: ConvShape): number => outputLength(s.w, s.kw, s);

/** The least that each size may be. */
const LEAST = {
  n: 0,
  ci: 0,
  h: 0,
  w: 0,
  co: 0,
  kh: 1,
  kw: 1,
  stride: 1,
  padding: 0,
  dilation: 1,
  ho: 0,
  wo: 0,
} as const;

/**
 * Makes sure that kernels can be made for these sizes.
 * @throws KernelSizeError when a size of x, weight or y is no whole number, or too small.
 */
export function checkConvShape(s: ConvShape): void {
  const sizes = { ...s, ho: outputHeight(s), wo: outputWidth(s) };
  for (const [name, least] of Object.entries(LEAST)) {
    const value = sizes[name as keyof typeof LEAST];
    if (Number.isInteger(value) && value >= least) continue;
    const remedy = 'Correct it, or where y is too small pad x.';
    throw new KernelSizeError('conv', `${name} is ${value}, not an integer of at least ${least}`, remedy);
  }
}

/** Pixels of a channel of y. */
export const outputArea = (s: ConvShape): number => outputHeight(s) * outputWidth(s);
/** Elements of weight for a pair of channels. */
export const taps = (s: ConvShape): number => s.kh * s.kw;
/** Whether each output pixel sees the pixel of x at its own place: y is the product of weight and the x of each image. */
export const isPointwise = (s: ConvShape): boolean => taps(s) === 1 && s.stride === 1 && s.padding === 0;

/** Multiply-adds count 2. The same for the forward pass and for each of its two large gradients. */
export const convFlops = (s: ConvShape): number =>
  2 * s.n * s.co * outputHeight(s) * outputWidth(s) * s.ci * s.kh * s.kw;

/** x, weight and y moved once. */
export const convBytes = (s: ConvShape): number =>
  4 * (s.n * s.ci * s.h * s.w + s.co * s.ci * s.kh * s.kw + s.n * s.co * outputHeight(s) * outputWidth(s));
