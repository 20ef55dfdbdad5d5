/** Sizes of a 2-d convolution in PyTorch's terms: x [n,ci,h,w], weight [co,ci,kh,kw], y [n,co,ho,wo], all f32. */
export interface ConvShape {
  readonly n: number;
  readonly ci: number;
  readonly h: number;
  readonly w: number;
  readonly co: number;
  readonly kh: number;
  readonly kw: number;
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
}

/** What follows the products: y = max(0, Σ + bias [co] + residual, shaped like y). */
export interface ConvEpilogue {
  readonly bias?: boolean;
  readonly residual?: boolean;
  readonly relu?: boolean;
}

/** Pixels along one axis after a convolution; below 1 when the kernel does not fit. */
export const outputLength = (
  length: number,
  kernel: number,
  { stride, padding, dilation }: Pick<ConvShape, 'stride' | 'padding' | 'dilation'>,
): number => Math.floor((length + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;

export const outputHeight = (s: ConvShape): number => outputLength(s.h, s.kh, s);
export const outputWidth = (s: ConvShape): number => outputLength(s.w, s.kw, s);

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
