import * as kernels from '@cim/kernels';
import { ShapeError } from '../errors.ts';
import { runPlan } from '../plan.ts';
import type { Tape } from '../tape.ts';
import type { Tensor } from '../tensor.ts';
import { reluGradient } from './relu-gradient.ts';

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
  weight: Tensor,
  bias: Tensor | null,
  { stride = 1, padding = 0, dilation = 1, relu = false }: ConvOptions = {},
): Tensor {
  const { device } = tape;
  const { subgroupSize } = device.adapter;
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
  const y = device.empty([n, co, ho, wo]);
  const plan = kernels.planConvForward(shape, { bias: bias !== null, relu }, subgroupSize);
  runPlan(device, plan, { x, weight, bias: bias ?? weight, y });

  const inputs = bias ? [x, weight, bias] : [x, weight];
  return tape.record('conv2d', inputs, y, (sink, gradient) => {
    const dy = relu ? reluGradient(gradient, y) : gradient;
    if (sink.wants(0)) {
      const { tensor: dx, accumulate } = sink.into(0);
      runPlan(device, kernels.planConvInputGradient(shape, accumulate, subgroupSize), { dy, weight, dx });
    }
    if (sink.wants(1)) {
      const { tensor: dw, accumulate } = sink.into(1);
      runPlan(device, kernels.planConvWeightGradient(shape, accumulate, subgroupSize), { x, dy, dw });
    }
    if (bias && sink.wants(2)) {
      const { tensor: db, accumulate } = sink.into(2);
      device.run(kernels.channelSum({ outer: n, channels: co, inner: ho * wo, accumulate }), { dy, db });
    }
    if (relu) dy.dispose();
  });
}
