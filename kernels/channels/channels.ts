/**
 * Windows of consecutive channels of x [outer, channels, inner], f32: what a shard of a weight larger than one binding
 * computes of its layer's output. A linear layer has inner = 1, a convolution inner = height·width.
 *
 * - `takeChannels`   part [outer, count, inner] = the channels from `first` on
 * - `placeChannels`  the reverse, with the layer's bias and ReLU
 *
 * CPU references: channels.reference.ts.
 */
import { defineKernel, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '../kernel.ts';

const WORKGROUP = 64;

/** A window of consecutive channels of x [outer, channels, inner]. */
export interface ChannelWindow {
  /** Product of the dimensions before the channels: the batch. */
  readonly outer: number;
  /** All channels of x. */
  readonly channels: number;
  /** Product of the dimensions after the channels: 1 for a linear layer, height·width for a convolution. */
  readonly inner: number;
  /** The window: `count` channels from `first` on. */
  readonly first: number;
  /** Channels in the window. */
  readonly count: number;
}

const layout = ({ outer, channels, inner, first, count }: ChannelWindow) => ({
  n: u32(outer * count * inner),
  /** Elements of a window's row and of a whole one, and where the window starts in it. */
  width: u32(count * inner),
  stride: u32(channels * inner),
  start: u32(first * inner),
});

/** part[o, c, i] = x[o, first + c, i]. */
export function takeChannels(window: ChannelWindow): Kernel<'x' | 'part'> {
  const n = window.outer * window.count * window.inner;
  return defineKernel({
    name: 'channels.take',
    bindings: { x: read(), part: write() },
    uniforms: layout(window),
    grid: linearGrid(n, WORKGROUP),
    bytes: 8 * n,
    source: () => wgsl`${linearIndex(WORKGROUP)}
  if (i < u.n) { part[i] = x[i / u.width * u.stride + u.start + i % u.width]; }
}`,
  });
}

/**
 * y[o, first + c, i] = part[o, c, i] + bias[first + c], through max(0, ·) when `relu`. Bind any f32 tensor as bias when
 * `bias` is false.
 */
export function placeChannels({
  bias,
  relu,
  ...window
}: ChannelWindow & { bias: boolean; relu: boolean }): Kernel<'part' | 'bias' | 'y'> {
  const n = window.outer * window.count * window.inner;
  return defineKernel({
    name: 'channels.place',
    bindings: { part: read(), bias: read(), y: write() },
    uniforms: { ...layout(window), inner: u32(window.inner), useBias: u32(bias ? 1 : 0), relu: u32(relu ? 1 : 0) },
    grid: linearGrid(n, WORKGROUP),
    flops: 2 * n,
    bytes: 8 * n,
    source: () => wgsl`${linearIndex(WORKGROUP)}
  if (i >= u.n) { return; }
  let at = u.start + i % u.width;
  var value = part[i];
  if (u.useBias == 1u) { value += bias[at / u.inner]; }
  if (u.relu == 1u) { value = max(value, 0.0); }
  y[i / u.width * u.stride + at] = value;
}`,
  });
}
