import * as kernels from '@cim/kernels';
import { ShapeError } from '../errors.ts';
import { runPlan } from '../plan.ts';
import type { Tape } from '../tape.ts';
import type { Tensor } from '../tensor.ts';
import { reluGradient } from './relu-gradient.ts';

/**
 * x [N,Din] · weightᵀ [Dout,Din] + bias [Dout] → [N,Dout], f32; through max(0, ·) when `relu`.
 * @throws ShapeError when the sizes do not fit.
 */
export function linear(
  tape: Tape,
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  { relu = false }: { relu?: boolean } = {},
): Tensor {
  const { device } = tape;
  const { subgroupSize } = device.adapter;
  if (x.shape.length !== 2 || weight.shape.length !== 2 || x.shape[1] !== weight.shape[1]) {
    throw new ShapeError(`linear needs x [N,Din] and weight [Dout,Din]; got [${x.shape}] and [${weight.shape}].`);
  }
  const [rows, inner] = x.shape;
  const [outer] = weight.shape;
  if (bias && bias.size !== outer)
    throw new ShapeError(`linear needs a bias of ${outer} elements; got [${bias.shape}].`);
  const y = device.empty([rows, outer]);
  const forward = kernels.planGemm(
    { m: rows, n: outer, k: inner, transposeB: true },
    { bias: bias !== null, relu },
    subgroupSize,
  );
  runPlan(device, forward, { a: x, b: weight, bias: bias ?? weight, c: y });

  const inputs = bias ? [x, weight, bias] : [x, weight];
  return tape.record('linear', inputs, y, (sink, gradient) => {
    const dy = relu ? reluGradient(gradient, y) : gradient;
    if (sink.wants(0)) {
      const { tensor: dx, accumulate } = sink.into(0);
      const plan = kernels.planGemm({ m: rows, n: inner, k: outer }, { accumulate }, subgroupSize);
      runPlan(device, plan, { a: dy, b: weight, bias: weight, c: dx });
    }
    if (sink.wants(1)) {
      const { tensor: dw, accumulate } = sink.into(1);
      const plan = kernels.planGemm({ m: outer, n: inner, k: rows, transposeA: true }, { accumulate }, subgroupSize);
      runPlan(device, plan, { a: dy, b: x, bias: x, c: dw });
    }
    if (bias && sink.wants(2)) {
      const { tensor: db, accumulate } = sink.into(2);
      device.run(kernels.channelSum({ outer: rows, channels: outer, inner: 1, accumulate }), { dy, db });
    }
    if (relu) dy.dispose();
  });
}
