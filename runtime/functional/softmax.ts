import * as kernels from '@cim/kernels';
import { ShapeError } from '../errors.ts';
import type { Tape } from '../tape.ts';
import type { Tensor } from '../tensor.ts';

/**
 * Softmax of x [N, K] over `dim`: 1 makes rows sum to 1, 0 columns.
 *
 * @throws ShapeError when x has not two dimensions.
 * @example
 * ```ts
 * import { Device, functional as F, Tape } from '@cim/runtime';
 *
 * const device = await Device.open();
 * const scores = device.tensor([0, 0, 5, 5], [2, 2]);
 * const y = F.softmax(new Tape(device, { recording: false }), scores, 1);
 * console.log(await y.read()); // → Float32Array(4) [ 0.5, 0.5, 0.5, 0.5 ]
 * await device.close();
 * ```
 */
export function softmax(tape: Tape, x: Tensor, dim: 0 | 1): Tensor {
  if (x.shape.length !== 2) throw new ShapeError(`softmax needs [N, K]; got [${x.shape}].`);
  const { device } = tape;
  const [rows, columns] = x.shape;
  const y = device.empty(x.shape);
  device.run(kernels.softmax({ rows, columns, dim }), { x, y });
  return tape.record('softmax', [x], y, (sink, dy) => {
    const { tensor: dx, accumulate } = sink.into(0);
    device.run(kernels.softmaxBackward({ rows, columns, dim, accumulate }), { dy, y, dx });
  });
}
