import * as kernels from '@cim/kernels';
import { ShapeError } from '../errors.ts';
import { runPlan } from '../plan.ts';
import { shardsOf, type Weight } from '../sharded.ts';
import type { Tape } from '../tape.ts';
import { Tensor } from '../tensor.ts';
import { add, addRelu } from './elementwise.ts';
import { reluGradient } from './relu-gradient.ts';
import { backwardByShard, forwardByShard } from './shards.ts';

export interface ConvOptions {
  readonly stride?: number;
  readonly padding?: number;
  readonly dilation?: number;
  /** Added to the result, before the ReLU; shaped like it. */
  readonly residual?: Tensor;
  /** max(0, ·) of the result, in the same kernel. */
  readonly relu?: boolean;
}

/**
 * 2-d convolution of x [N,Ci,H,W] with weight [Co,Ci,kh,kw] plus bias [Co] → [N,Co,Ho,Wo], f32.
 * @throws ShapeError when the shapes do not fit or the kernel is larger than the padded image.
 */
export function conv2d(
  tape: Tape,
  x: Tensor,
  weight: Weight,
  bias: Tensor | null,
  { stride = 1, padding = 0, dilation = 1, residual, relu = false }: ConvOptions = {},
): Tensor {
  const { device } = tape;
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
  if (residual && !(weight instanceof Tensor)) {
    const sum = conv2d(tape, x, weight, bias, { stride, padding, dilation });
    return relu ? addRelu(tape, sum, residual) : add(tape, sum, residual);
  }
  const layout = { outer: n, channels: co, inner: ho * wo };
  const y = device.empty([n, co, ho, wo]);
  forwardByShard(y, layout, weight, { bias, relu }, (part, shard, count, epilogue) => {
    const options = { bias: epilogue.bias !== null, residual: residual !== undefined, relu: epilogue.relu };
    const { plan } = device.variants.choose(kernels.convForwardCandidates({ ...shape, co: count }, device.target));
    const operands = { x, weight: shard, bias: epilogue.bias ?? shard, residual: residual ?? shard, y: part };
    runPlan(device, plan(options), operands);
  });

  const shards = shardsOf(weight);
  const inputs = [x, ...shards, ...(bias ? [bias] : []), ...(residual ? [residual] : [])];
  const biasIndex = 1 + shards.length;
  return tape.record('conv2d', inputs, y, (sink, gradient) => {
    const dy = relu ? reluGradient(gradient, y) : gradient;
    backwardByShard(dy, layout, weight, (part, shard, count, index) => {
      const own = { ...shape, co: count };
      if (sink.wants(0)) {
        const { tensor: dx, accumulate } = sink.into(0);
        const { plan } = device.variants.choose(kernels.convInputGradientCandidates(own, device.target));
        runPlan(device, plan(accumulate), { dy: part, weight: shard, dx });
      }
      if (sink.wants(1 + index)) {
        const { tensor: dw, accumulate } = sink.into(1 + index);
        const candidates = kernels.convWeightGradientCandidates(own, device.target);
        runPlan(device, device.variants.choose(candidates).plan(accumulate), { x, dy: part, dw });
      }
    });
    if (bias && sink.wants(biasIndex)) {
      const { tensor: db, accumulate } = sink.into(biasIndex);
      device.run(kernels.channelSum({ ...layout, accumulate }), { dy, db });
    }
    if (residual) sink.pass(inputs.length - 1, dy);
    if (relu) dy.dispose();
  });
}
