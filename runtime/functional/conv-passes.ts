/** The passes of a convolution whose weight is one tensor, as the differentiable operations compose them. */
import * as kernels from '@cim/kernels';
import { runPlan } from '../plan.ts';
import type { Target } from '../tape.ts';
import type { Tensor } from '../tensor.ts';
import { reluGradient } from './relu-gradient.ts';

export interface ConvOperands {
  readonly x: Tensor;
  readonly weight: Tensor;
  readonly bias: Tensor | null;
  readonly residual?: Tensor;
  readonly y: Tensor;
}

/** y = conv(x, weight) + bias + residual, through max(0, ·) when `relu`. */
export function convForward(shape: kernels.ConvShape, operands: ConvOperands, relu: boolean): void {
  const { x, weight, bias, residual, y } = operands;
  const { device } = y;
  const { plan } = device.variants.choose(kernels.convForwardOperation(shape));
  const epilogue = { bias: bias !== null, residual: residual !== undefined, relu };
  runPlan(device, plan(epilogue), { x, weight, bias: bias ?? weight, residual: residual ?? weight, y });
}

export function convInputGradient(shape: kernels.ConvShape, dy: Tensor, weight: Tensor, dx: Target): void {
  const { device } = dy;
  const { plan } = device.variants.choose(kernels.convInputGradientOperation(shape));
  runPlan(device, plan(dx.accumulate), { dy, weight, dx: dx.tensor });
}

export function convWeightGradient(shape: kernels.ConvShape, x: Tensor, dy: Tensor, dw: Target): void {
  const { device } = dy;
  const { plan } = device.variants.choose(kernels.convWeightGradientOperation(shape));
  runPlan(device, plan(dw.accumulate), { x, dy, dw: dw.tensor });
}

/**
 * What the epilogue makes of the gradient of its output y: `dy`, of the sum before it, which with a ReLU belongs to the
 * caller and otherwise is the gradient itself; and the gradient `db` of the bias where wanted.
 */
export function epilogueGradient(
  shape: kernels.ConvShape,
  gradient: Tensor,
  y: Tensor,
  { relu, db }: { relu: boolean; db?: Target },
): Tensor {
  if (!db) return relu ? reluGradient(gradient, y) : gradient;
  const inner = kernels.outputHeight(shape) * kernels.outputWidth(shape);
  const sizes = { outer: shape.n, channels: shape.co, inner, accumulate: db.accumulate };
  const { device } = y;
  if (!relu) {
    device.run(kernels.channelSum(sizes), { dy: gradient, db: db.tensor });
    return gradient;
  }
  const dy = device.empty(y.shape);
  device.run(kernels.reluChannelSum(sizes), { dy: gradient, y, dx: dy, db: db.tensor });
  return dy;
}
