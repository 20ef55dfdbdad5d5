import * as kernels from '@cim/kernels';
import { ShapeError } from '../errors.ts';
import type { Tape } from '../tape.ts';
import type { Tensor } from '../tensor.ts';

/**
 * x with each element zero with probability `rate`, else divided by 1 − rate. Equal seeds drop equal elements.
 * @throws ShapeError when the rate is not in [0, 1).
 */
export function dropout(tape: Tape, x: Tensor, { rate, seed }: { rate: number; seed: number }): Tensor {
  if (!(rate >= 0 && rate < 1)) throw new ShapeError(`dropout needs a rate from 0 to below 1; got ${rate}.`);
  const { device } = tape;
  const y = device.empty(x.shape);
  device.run(kernels.dropout({ n: x.size, rate, seed }), { x, y });
  return tape.record('dropout', [x], y, (sink, dy) => {
    const { tensor: dx, accumulate } = sink.into(0);
    device.run(kernels.dropout({ n: x.size, rate, seed, accumulate }), { x: dy, y: dx });
  });
}
