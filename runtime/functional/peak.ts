import * as kernels from '@cim/kernels';
import type { Device } from '../device.ts';
import { ShapeError } from '../errors.ts';
import { mapShards, shardsOf, type Weight } from '../sharded.ts';
import { type Sink, Tape } from '../tape.ts';
import type { Tensor } from '../tensor.ts';
import { type ConvGeometry, conv2d } from './conv.ts';

/** Which cells of a response map are peaks; a 3×3 window and the filter `median` unless given. */
export interface PeakOptions {
  /** Side of the square in which a peak is the maximum, odd. */
  readonly window?: number;
  /** The least value of a peak, found from its map. */
  readonly filter?: kernels.PeakFilter;
}

/**
 * Peaks of class response maps x [B,C,H,W] and the mean of their values, [B,C]: a peak is the first maximum (row by row)
 * of its window and not below the filter of its map. The gradient of the mean is handed to every peak undivided.
 * (peak_stimulation, lib/prm/prm_modules.py)
 *
 * @returns `peakMap` u32 0 or 1, [B,C,H,W], which belongs to the caller.
 * @throws ShapeError when the window is not odd.
 */
export function peakStimulation(
  tape: Tape,
  x: Tensor,
  { window = 3, filter = 'median' }: PeakOptions = {},
): { aggregation: Tensor; peakMap: Tensor } {
  if (window % 2 !== 1) throw new ShapeError(`peakStimulation needs an odd window; got ${window}.`);
  const { device } = tape;
  const [batch, channels, height, width] = x.shape;
  const maps = batch * channels;
  const peakMap = device.empty(x.shape, 'u32');
  const aggregation = device.empty([batch, channels]);
  device.run(kernels.peakStimulation({ maps, height, width, window, filter }), { x, peakMap, aggregation });
  tape.record('peakStimulation', [x], aggregation, (sink, dy) => {
    const { tensor: dx, accumulate } = sink.into(0);
    device.run(kernels.peakStimulationBackward({ maps, pixels: height * width, accumulate }), { dy, peakMap, dx });
  });
  return { aggregation, peakMap };
}

/**
 * Convolution whose backward pass is excitation back-propagation (pr_conv2d, lib/prm/prm_modules.py): the gradient g of
 * the output becomes (x − min x) · convᵀ(g / conv(x − min x, max(0, W)), max(0, W)), so that it stays a share of
 * positive evidence. The weights get no gradient.
 */
export function peakConv2d(
  tape: Tape,
  x: Tensor,
  weight: Weight,
  bias: Tensor | null,
  options: ConvGeometry = {},
): Tensor {
  const { device } = tape;
  const y = conv2d(new Tape(device, { recording: false }), x, weight, bias, options);
  if (!tape.tracks([x])) return y;
  const evidence = shiftByMinimum(device, x);
  evidence.requiresGrad = true;
  const excitatory = mapShards(weight, (shard) => {
    const positive = device.empty(shard.shape);
    device.run(kernels.activation({ n: shard.size, kind: 'relu' }), { x: shard, y: positive });
    return positive;
  });
  const inner = new Tape(device);
  const norm = conv2d(inner, evidence, excitatory, null, options);
  const backward = (sink: Sink, g: Tensor): void => {
    const { tensor: dx, accumulate } = sink.into(0);
    const excitation = device.empty(norm.shape);
    device.run(kernels.excite({ n: norm.size }), { g, norm, excitation });
    inner.backward(norm, excitation, { retain: true });
    excitation.dispose();
    const spread = inner.takeGradient(evidence)!;
    device.run(kernels.multiplyBackward({ n: x.size, accumulate }), { dy: spread, b: evidence, da: dx });
    spread.dispose();
  };
  return tape.record('peakConv2d', [x], y, backward, [evidence, norm, ...shardsOf(excitatory)]);
}

/** x − min x over the whole tensor. */
function shiftByMinimum(device: Device, x: Tensor): Tensor {
  return device.scope(() => {
    let minimum = device.empty([kernels.partialSums(x.size)]);
    device.run(kernels.minimum({ n: x.size }), { x, partial: minimum });
    if (minimum.size > 1) {
      const partial = minimum;
      minimum = device.empty([1]);
      device.run(kernels.minimum({ n: partial.size, partials: 1 }), { x: partial, partial: minimum });
    }
    const shifted = device.empty(x.shape);
    device.run(kernels.shiftByMinimum({ n: x.size }), { x, minimum, y: shifted });
    return shifted;
  });
}
