import * as kernels from '@cim/kernels';
import type { Tensor } from '../tensor.ts';

/** The gradient before a fused ReLU, from the one behind it and its output `y`; the caller disposes it. */
export function reluGradient(gradient: Tensor, y: Tensor): Tensor {
  const { device } = y;
  const dy = device.empty(y.shape);
  device.run(kernels.activationBackward({ n: y.size, kind: 'relu', accumulate: false }), { dy: gradient, y, dx: dy });
  return dy;
}
