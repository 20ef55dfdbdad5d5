import * as kernels from '@cim/kernels';
import { ShapeError } from '../errors.ts';
import { runPlan } from '../plan.ts';
import { shardsOf, type Weight } from '../sharded.ts';
import type { Tape } from '../tape.ts';
import type { Tensor } from '../tensor.ts';
import { reluGradient } from './relu-gradient.ts';
import { backwardByShard, forwardByShard } from './shards.ts';

export interface ConvOptions {
  readonly stride?: number;
  readonly padding?: number;
  readonly dilation?: number;
  /** max(0, ·) of the result, in the same kernel. */
  readonly relu?: boolean;
}

/**
 * 2-d convolution of x [N,Ci,H,W] with weight [Co,Ci,kh,kw] plus bias [Co] → [N,Co,Ho,Wo], f32.
 * @throws ShapeError when the channels do not fit or the kernel is larger than the padded image.
 */
export function conv2d(
  tape: Tape,
  x: Tensor,
  weight: Weight,
  bias: Tensor | null,
  { stride = 1, padding = 0, dilation = 1, relu = false }: ConvOptions = {},
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
  const layout = { outer: n, channels: co, inner: ho * wo };
  const y = device.empty([n, co, ho, wo]);
  forwardByShard(y, layout, weight, { bias, relu }, (part, shard, count, epilogue) => {
    const options = { bias: epilogue.bias !== null, relu: epilogue.relu };
    const { plan } = device.variants.choose(kernels.convForwardCandidates({ ...shape, co: count }, device.target));
    runPlan(device, plan(options), { x, weight: shard, bias: epilogue.bias ?? shard, y: part });
  });

  const inputs = [x, ...(bias ? [bias] : []), ...shardsOf(weight)];
  const firstShard = bias ? 2 : 1;
  return tape.record('conv2d', inputs, y, (sink, gradient) => {
    const dy = relu ? reluGradient(gradient, y) : gradient;
    backwardByShard(dy, layout, weight, (part, shard, count, index) => {
      const own = { ...shape, co: count };
      if (sink.wants(0)) {
        const { tensor: dx, accumulate } = sink.into(0);
        const { plan } = device.variants.choose(kernels.convInputGradientCandidates(own, device.target));
        runPlan(device, plan(accumulate), { dy: part, weight: shard, dx });
      }
      if (sink.wants(firstShard + index)) {
        const { tensor: dw, accumulate } = sink.into(firstShard + index);
        const candidates = kernels.convWeightGradientCandidates(own, device.target);
        runPlan(device, device.variants.choose(candidates).plan(accumulate), { x, dy: part, dw });
      }
    });
    if (bias && sink.wants(1)) {
      const { tensor: db, accumulate } = sink.into(1);
      device.run(kernels.channelSum({ ...layout, accumulate }), { dy, db });
    }
    if (relu) dy.dispose();
  });
}
