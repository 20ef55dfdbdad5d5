import * as kernels from '@cim/kernels';
import { ShapeError } from '../errors.ts';
import type { Sink, Tape } from '../tape.ts';
import type { Tensor } from '../tensor.ts';

/** A square window, as PyTorch's MaxPool2d takes it. */
export interface MaxPoolOptions {
  /** Cells per side. */
  readonly kernel: number;
  /** Cells from one window to the next. */
  readonly stride: number;
  /** At most half the kernel. */
  readonly padding?: number;
}

/**
 * Maximum over windows of x [N, C, H, W] → [N, C, ⌊(H + 2·padding − kernel)/stride⌋ + 1, …].
 *
 * @throws ShapeError when x has not four dimensions, or the window does not fit it.
 */
export function maxPool2d(tape: Tape, x: Tensor, { kernel, stride, padding = 0 }: MaxPoolOptions): Tensor {
  const { device } = tape;
  const [batch, channels, height, width] = x.shape;
  const size = (length: number): number => Math.floor((length + 2 * padding - kernel) / stride) + 1;
  const outHeight = size(height);
  const outWidth = size(width);
  if (x.shape.length !== 4 || !(outHeight > 0 && outWidth > 0) || 2 * padding > kernel) {
    throw new ShapeError(`maxPool2d with kernel ${kernel} and padding ${padding} does not fit [${x.shape}].`);
  }
  const shape = { planes: batch * channels, height, width, outHeight, outWidth, kernel, stride, padding };
  const y = device.empty([batch, channels, outHeight, outWidth]);
  const argmax = device.empty(y.shape, 'u32');
  device.run(kernels.maxPool2d(shape), { x, y, argmax });
  const backward = (sink: Sink, dy: Tensor): void => {
    const { tensor: dx, accumulate } = sink.into(0);
    device.run(kernels.maxPool2dBackward({ ...shape, accumulate }), { dy, argmax, dx });
  };
  return tape.record('maxPool2d', [x], y, backward, [argmax]);
}

/**
 * Mean of x [N, C, H, W] over a grid of [h, w] bins → [N, C, h, w]; [1, 1] is the global average.
 *
 * @throws ShapeError when x has not four dimensions.
 */
export function adaptiveAvgPool2d(tape: Tape, x: Tensor, [outHeight, outWidth]: readonly [number, number]): Tensor {
  if (x.shape.length !== 4) throw new ShapeError(`adaptiveAvgPool2d needs [N, C, H, W]; got [${x.shape}].`);
  const { device } = tape;
  const [batch, channels, height, width] = x.shape;
  const shape = { planes: batch * channels, height, width, outHeight, outWidth };
  const y = device.empty([batch, channels, outHeight, outWidth]);
  device.run(kernels.adaptiveAvgPool2d(shape), { x, y });
  return tape.record('adaptiveAvgPool2d', [x], y, (sink, dy) => {
    const { tensor: dx, accumulate } = sink.into(0);
    device.run(kernels.adaptiveAvgPool2dBackward({ ...shape, accumulate }), { dy, dx });
  });
}

/**
 * Mean of x [N, C, H, W] over the window of 2·radius + 1 cells a side around each cell, as far as it lies inside; [N, C, H, W].
 *
 * @throws ShapeError when x has not four dimensions.
 */
export function meanFilter2d(tape: Tape, x: Tensor, radius: number): Tensor {
  if (x.shape.length !== 4) throw new ShapeError(`meanFilter2d needs [N, C, H, W]; got [${x.shape}].`);
  const { device } = tape;
  const [batch, channels, height, width] = x.shape;
  const shape = { planes: batch * channels, height, width, radius };
  const y = device.empty(x.shape);
  device.run(kernels.meanFilter(shape), { x, y });
  return tape.record('meanFilter2d', [x], y, (sink, dy) => {
    const { tensor: dx, accumulate } = sink.into(0);
    device.run(kernels.meanFilterBackward({ ...shape, accumulate }), { dy, dx });
  });
}
