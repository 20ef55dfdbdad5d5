/**
 * How operations work shard by shard on a weight larger than one binding. Rows of the weight are channels of the output
 * [outer, channels, inner]; inner is 1 in a linear layer, height·width in a convolution.
 */
import { placeChannels, takeChannels } from '@cim/kernels';
import { rowShards, type Weight } from '../sharded.ts';
import { Tensor } from '../tensor.ts';

export interface ChannelLayout {
  readonly outer: number;
  readonly channels: number;
  readonly inner: number;
}

/** What follows an output's sum: + bias [channels], then max(0, ·). */
export interface Epilogue {
  readonly bias: Tensor | null;
  readonly relu: boolean;
}

/** Fills `y`: `compute` writes the channels that belong to one tensor of the weight, `count` of them, to `part`. */
export function forwardByShard(
  y: Tensor,
  { outer, channels, inner }: ChannelLayout,
  weight: Weight,
  { bias, relu }: Epilogue,
  compute: (part: Tensor, weight: Tensor, count: number, epilogue: Epilogue) => void,
): void {
  if (weight instanceof Tensor) {
    compute(y, weight, channels, { bias, relu });
    return;
  }
  const { device } = y;
  for (const { tensor, first, count } of rowShards(weight)) {
    const part = device.empty([outer, count, inner]);
    compute(part, tensor, count, { bias: null, relu: false });
    const window = { outer, channels, inner, first, count };
    device.run(placeChannels({ ...window, bias: bias !== null, relu }), { part, bias: bias ?? part, y });
    part.dispose();
  }
}

/** Gives `propagate` the gradient `part` of the `count` channels that belong to each tensor of the weight. */
export function backwardByShard(
  dy: Tensor,
  { outer, channels, inner }: ChannelLayout,
  weight: Weight,
  propagate: (part: Tensor, weight: Tensor, count: number, index: number) => void,
): void {
  if (weight instanceof Tensor) {
    propagate(dy, weight, channels, 0);
    return;
  }
  const { device } = dy;
  rowShards(weight).forEach(({ tensor, first, count }, index) => {
    const part = device.empty([outer, count, inner]);
    device.run(takeChannels({ outer, channels, inner, first, count }), { x: dy, part });
    propagate(part, tensor, count, index);
    part.dispose();
  });
}
