import * as kernels from '@cim/kernels';
import { ShapeError } from '../errors.ts';
import type { Sink, Tape } from '../tape.ts';
import type { Tensor } from '../tensor.ts';

/** The grid of bins of each region; 7×7 and `samplingRatio` 0 unless given, as in the original. */
export interface RoIAlignOptions {
  /** Bins per side. */
  readonly outputSize?: number;
  /** Feature cells per input pixel. */
  readonly spatialScale: number;
  /** Samples per bin and direction; 0 takes the bin's size in cells, rounded up. */
  readonly samplingRatio?: number;
}

function shapeOf(features: Tensor, rois: Tensor, options: RoIAlignOptions): kernels.RoIAlignShape {
  const { outputSize = 7, spatialScale, samplingRatio = 0 } = options;
  if (features.shape.length !== 4 || rois.shape.length !== 2 || rois.shape[1] !== 5) {
    throw new ShapeError(
      `roiAlign needs features [B, C, H, W] and RoIs [R, 5]; got [${features.shape}] and [${rois.shape}].`,
    );
  }
  const [batch, channels, height, width] = features.shape;
  return { rois: rois.shape[0], batch, channels, height, width, outputSize, spatialScale, samplingRatio };
}

function requireMasks(masks: Tensor, rois: number, bins: number): void {
  if (masks.size !== rois * bins) {
    throw new ShapeError(`The masks [${masks.shape}] are not one for each bin of ${rois} RoIs (${bins} bins each).`);
  }
}

/** The bilinear weights of all RoIs, which forward and backward share. */
function weightsOf(tape: Tape, shape: kernels.RoIAlignShape, rois: Tensor): Tensor {
  const table = tape.device.empty(kernels.roiWeightsShape(shape));
  tape.device.run(kernels.roiWeights(shape), { rois, table });
  return table;
}

/** Adds the gradient of RoIAlign to `sink`'s first input. */
function alignBackward(
  tape: Tape,
  shape: kernels.RoIAlignShape,
  sink: Sink,
  tensors: { dy: Tensor; rois: Tensor; table: Tensor },
): void {
  const { device } = tape;
  const ranges = device.empty([shape.batch, 2], 'u32');
  device.run(kernels.roiRanges(shape), { rois: tensors.rois, ranges });
  const { tensor: dfeatures, accumulate } = sink.into(0);
  device.run(kernels.roiAlignBackward({ ...shape, accumulate }), { ...tensors, ranges, dfeatures });
  ranges.dispose();
}

/**
 * RoIAlign of features [B, C, H, W] under rois [R, 5] = (batch index, x1, y1, x2, y2) in input pixels → [R, C, S, S].
 * mmcv's aligned variant: average, half-cell offset, no minimum size.
 *
 * @throws ShapeError when features or rois have other dimensions.
 * @example
 * ```ts
 * import { Device, functional as F, Tape } from '@cim/runtime';
 *
 * const device = await Device.open();
 * const features = device.tensor(Array.from({ length: 16 }, (_, i) => i), [1, 1, 4, 4]);
 * const rois = device.tensor([0, 0, 0, 64, 64], [1, 5]); // image 0, a box of 64×64 pixels
 * const options = { outputSize: 2, spatialScale: 1 / 16 };
 * const y = F.roiAlign(new Tape(device, { recording: false }), features, rois, options);
 * console.log(await y.read()); // → Float32Array(4) [ 2.5, 4.5, 10.5, 12.5 ]
 * await device.close();
 * ```
 */
export function roiAlign(tape: Tape, features: Tensor, rois: Tensor, options: RoIAlignOptions): Tensor {
  const { device } = tape;
  const shape = shapeOf(features, rois, options);
  const y = device.empty([shape.rois, shape.channels, shape.outputSize, shape.outputSize]);
  const table = weightsOf(tape, shape, rois);
  device.run(kernels.roiAlign({ ...shape, mask: false }), { features, rois, table, y });
  const backward = (sink: Sink, dy: Tensor): void => alignBackward(tape, shape, sink, { dy, rois, table });
  return tape.record('roiAlign', [features], y, backward, [table]);
}

/**
 * RoI features [R, C, S, S] beside the same features inside the masks [R, S, S] → [R, 2C, S, S].
 *
 * @throws ShapeError when the masks are not one grid of S×S for each region.
 */
export function maskFuse(tape: Tape, x: Tensor, masks: Tensor): Tensor {
  const { device } = tape;
  const [rois, channels, height, width] = x.shape;
  const shape = { rois, channels, bins: height * width };
  requireMasks(masks, rois, shape.bins);
  const y = device.empty([rois, 2 * channels, height, width]);
  device.run(kernels.maskFuse(shape), { x, masks, y });
  return tape.record('maskFuse', [x], y, (sink, dy) => {
    const { tensor: dx, accumulate } = sink.into(0);
    device.run(kernels.maskFuseBackward({ ...shape, accumulate }), { dy, masks, dx });
  });
}

/**
 * maskFuse(roiAlign(features, rois), masks) without the features in between → [R, 2C, S, S].
 *
 * @throws ShapeError when features, rois or masks have other dimensions.
 */
export function roiAlignMaskFuse(
  tape: Tape,
  features: Tensor,
  rois: Tensor,
  masks: Tensor,
  options: RoIAlignOptions,
): Tensor {
  const { device } = tape;
  const shape = shapeOf(features, rois, options);
  const { channels, outputSize } = shape;
  const bins = outputSize * outputSize;
  requireMasks(masks, shape.rois, bins);
  const y = device.empty([shape.rois, 2 * channels, outputSize, outputSize]);
  const table = weightsOf(tape, shape, rois);
  device.run(kernels.roiAlign({ ...shape, mask: true }), { features, rois, table, masks, y });
  const backward = (sink: Sink, dy: Tensor): void => {
    // Summing the two halves first halves the loads of the gather, which reads every bin many times.
    const dx = device.empty([shape.rois, channels, bins]);
    device.run(kernels.maskFuseBackward({ rois: shape.rois, channels, bins, accumulate: false }), { dy, masks, dx });
    alignBackward(tape, shape, sink, { dy: dx, rois, table });
    dx.dispose();
  };
  return tape.record('roiAlignMaskFuse', [features], y, backward, [table]);
}
