import * as kernels from '@cim/kernels';
import { ShapeError } from '../errors.ts';
import { shardsOf, type Weight } from '../sharded.ts';
import type { Tape } from '../tape.ts';
import { Tensor } from '../tensor.ts';
import { convForward, convInputGradient, convWeightGradient, epilogueGradient } from './conv-passes.ts';
import { add, addRelu } from './elementwise.ts';
import { backwardByShard, forwardByShard } from './shards.ts';

/** Where the windows of a convolution lie, the same in both directions, as in PyTorch. */
export interface ConvGeometry {
  /** Cells from one window to the next; 1 unless given. */
  readonly stride?: number;
  /** Zeros around x, cells; 0 unless given. */
  readonly padding?: number;
  /** Cells from one tap to the next; 1 unless given. */
  readonly dilation?: number;
}

/** A convolution's geometry, and what follows the sums in the same kernel. */
export interface ConvOptions extends ConvGeometry {
  /** Added to the result, before the ReLU; shaped like it. */
  readonly residual?: Tensor;
  /** max(0, ·) of the result, in the same kernel. */
  readonly relu?: boolean;
}

/**
 * 2-d convolution of x [N,Ci,H,W] with weight [Co,Ci,kh,kw] plus bias [Co] → [N,Co,Ho,Wo], f32.
 * @throws ShapeError when the shapes do not fit or the kernel is larger than the padded image.
 * @example
 * ```ts
 * import { Device, functional as F, Tape } from '@cim/runtime';
 *
 * const device = await Device.open();
 * const x = device.tensor(new Float32Array(9).fill(1), [1, 1, 3, 3]);
 * const weight = device.tensor(new Float32Array(9).fill(1), [1, 1, 3, 3]);
 * const y = F.conv2d(new Tape(device, { recording: false }), x, weight, null, { padding: 1 });
 * console.log(y.shape, [...(await y.read())].join(' ')); // → [ 1, 1, 3, 3 ] 4 6 4 6 9 6 4 6 4
 * await device.close();
 * ```
 */
export function conv2d(
  tape: Tape,
  x: Tensor,
  weight: Weight,
  bias: Tensor | null,
  { residual, relu = false, ...geometry }: ConvOptions = {},
): Tensor {
  const shape = convShape(x, weight, bias, residual, geometry);
  if (residual && !(weight instanceof Tensor)) {
    const sum = conv2d(tape, x, weight, bias, geometry);
    return relu ? addRelu(tape, sum, residual) : add(tape, sum, residual);
  }
  const [ho, wo] = [kernels.outputHeight(shape), kernels.outputWidth(shape)];
  const layout = { outer: shape.n, channels: shape.co, inner: ho * wo };
  const y = tape.device.empty([shape.n, shape.co, ho, wo]);
  forwardByShard(y, layout, weight, { bias, relu }, (part, shard, co, epilogue) => {
    const operands = { x, weight: shard, bias: epilogue.bias, residual, y: part };
    convForward({ ...shape, co }, operands, epilogue.relu);
  });

  const shards = shardsOf(weight);
  const inputs = [x, ...shards, ...(bias ? [bias] : []), ...(residual ? [residual] : [])];
  const biasIndex = 1 + shards.length;
  return tape.record('conv2d', inputs, y, (sink, gradient) => {
    const db = bias && sink.wants(biasIndex) ? sink.into(biasIndex) : undefined;
    const dy = epilogueGradient(shape, gradient, y, { relu, db });
    backwardByShard(dy, layout, weight, (part, shard, co, index) => {
      const own = { ...shape, co };
      if (sink.wants(0)) convInputGradient(own, part, shard, sink.into(0));
      if (sink.wants(1 + index)) convWeightGradient(own, x, part, sink.into(1 + index));
    });
    if (residual) sink.pass(inputs.length - 1, dy);
    if (relu) dy.dispose();
  });
}

/** The sizes of a convolution. @throws ShapeError when they do not fit. */
export function convShape(
  x: Tensor,
  weight: Weight,
  bias: Tensor | null,
  residual: Tensor | undefined,
  { stride = 1, padding = 0, dilation = 1 }: ConvGeometry,
): kernels.ConvShape {
  if (x.shape.length !== 4 || weight.shape.length !== 4 || x.shape[1] !== weight.shape[1]) {
    throw new ShapeError(`conv2d needs x [N,Ci,H,W] and weight [Co,Ci,kh,kw]; got [${x.shape}] and [${weight.shape}].`);
  }
  const [n, ci, h, w] = x.shape;
  const [co, , kh, kw] = weight.shape;
  if (bias && bias.size !== co) throw new ShapeError(`conv2d needs a bias of ${co} elements; got [${bias.shape}].`);
  const shape: kernels.ConvShape = { n, ci, h, w, co, kh, kw, stride, padding, dilation };
  const [ho, wo] = [kernels.outputHeight(shape), kernels.outputWidth(shape)];
  if (ho < 1 || wo < 1) {
    throw new ShapeError(
      `conv2d: a ${kh}×${kw} kernel with dilation ${dilation} does not fit an image of ${h}×${w} with padding ${padding}.`,
      'Use larger images.',
    );
  }
  if (residual && residual.size !== n * co * ho * wo) {
    throw new ShapeError(`conv2d to [${n},${co},${ho},${wo}] cannot add a residual [${residual.shape}].`);
  }
  return shape;
}
