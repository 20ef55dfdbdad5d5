import * as kernels from '@cim/kernels';
import { ShapeError } from '../errors.ts';
import { runPlan } from '../plan.ts';
import { shardsOf, type Weight } from '../sharded.ts';
import type { Tape } from '../tape.ts';
import type { Tensor } from '../tensor.ts';
import { reluGradient } from './relu-gradient.ts';
import { backwardByShard, forwardByShard } from './shards.ts';

/**
 * x [N,Din] · weightᵀ [Dout,Din] + bias [Dout] → [N,Dout], f32; through max(0, ·) when `relu`.
 * @throws ShapeError when the sizes do not fit.
 * @example
 * ```ts
 * import { Device, functional as F, Tape } from '@cim/runtime';
 *
 * const device = await Device.open();
 * const x = device.tensor([1, 2], [1, 2]);
 * const weight = device.tensor([1, 0, 0, 1, 1, 1], [3, 2]);
 * const bias = device.tensor([0, 0, 10]);
 * const y = F.linear(new Tape(device, { recording: false }), x, weight, bias);
 * console.log(await y.read()); // → Float32Array(3) [ 1, 2, 13 ]
 * await device.close();
 * ```
 */
export function linear(
  tape: Tape,
  x: Tensor,
  weight: Weight,
  bias: Tensor | null,
  { relu = false }: { relu?: boolean } = {},
): Tensor {
  const { device } = tape;
  if (x.shape.length !== 2 || weight.shape.length !== 2 || x.shape[1] !== weight.shape[1]) {
    throw new ShapeError(`linear needs x [N,Din] and weight [Dout,Din]; got [${x.shape}] and [${weight.shape}].`);
  }
  const [rows, inner] = x.shape;
  const [outer] = weight.shape;
  if (bias && bias.size !== outer)
    throw new ShapeError(`linear needs a bias of ${outer} elements; got [${bias.shape}].`);
  const plan = (shape: kernels.GemmShape, epilogue: kernels.GemmEpilogue): kernels.Plan =>
    device.variants.choose(kernels.gemmOperation(shape)).plan(epilogue);
  const layout = { outer: rows, channels: outer, inner: 1 };
  const y = device.empty([rows, outer]);
  forwardByShard(y, layout, weight, { bias, relu }, (c, b, n, epilogue) => {
    const forward = plan(
      { m: rows, n, k: inner, transposeB: true },
      { bias: epilogue.bias !== null, relu: epilogue.relu },
    );
    runPlan(device, forward, { a: x, b, bias: epilogue.bias ?? b, c });
  });

  const inputs = [x, ...(bias ? [bias] : []), ...shardsOf(weight)];
  const firstShard = bias ? 2 : 1;
  return tape.record('linear', inputs, y, (sink, gradient) => {
    const dy = relu ? reluGradient(gradient, y) : gradient;
    backwardByShard(dy, layout, weight, (part, shard, count, index) => {
      if (sink.wants(0)) {
        const { tensor: dx, accumulate } = sink.into(0);
        runPlan(device, plan({ m: rows, n: inner, k: count }, { accumulate }), {
          a: part,
          b: shard,
          bias: shard,
          c: dx,
        });
      }
      if (sink.wants(firstShard + index)) {
        const { tensor: dw, accumulate } = sink.into(firstShard + index);
        const toWeight = plan({ m: count, n: inner, k: rows, transposeA: true }, { accumulate });
        runPlan(device, toWeight, { a: part, b: x, bias: x, c: dw });
      }
    });
    if (bias && sink.wants(1)) {
      const { tensor: db, accumulate } = sink.into(1);
      device.run(kernels.channelSum({ ...layout, accumulate }), { dy, db });
    }
    if (relu) dy.dispose();
  });
}
