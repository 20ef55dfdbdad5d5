/** Plain f64 references of the channel windows. */
import type { ChannelWindow } from './channels.ts';

/** The index in [outer, channels, inner] of every element of the window, in the window's order. */
function indices({ outer, channels, inner, first, count }: ChannelWindow): { at: number; channel: number }[] {
  const list: { at: number; channel: number }[] = [];
  for (let o = 0; o < outer; o++)
    for (let channel = first; channel < first + count; channel++)
      for (let i = 0; i < inner; i++) list.push({ at: (o * channels + channel) * inner + i, channel });
  return list;
}

/** part [outer, count, inner] of x [outer, channels, inner]. */
export const takeChannels = (window: ChannelWindow, x: ArrayLike<number>): Float64Array =>
  Float64Array.from(indices(window), ({ at }) => x[at]);

/** `y` with the window replaced. */
export function placeChannels(
  window: ChannelWindow,
  part: ArrayLike<number>,
  y: ArrayLike<number>,
  bias: ArrayLike<number> | null = null,
  relu = false,
): Float64Array {
  const placed = Float64Array.from(y);
  indices(window).forEach(({ at, channel }, i) => {
    const value = part[i] + (bias ? bias[channel] : 0);
    placed[at] = relu ? Math.max(0, value) : value;
  });
  return placed;
}
