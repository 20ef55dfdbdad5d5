import * as kernels from '@cim/kernels';
import type { Device } from '../device.ts';
import type { Tensor } from '../tensor.ts';

/** Σ x → [1], the same in every run; not differentiable. */
export const sum = (device: Device, x: Tensor): Tensor => reduce(device, x, false);
/** Σ x² → [1], the same in every run; not differentiable. */
export const sumOfSquares = (device: Device, x: Tensor): Tensor => reduce(device, x, true);

function reduce(device: Device, x: Tensor, square: boolean): Tensor {
  const partials = kernels.partialSums(x.size);
  const partial = device.empty([partials]);
  device.run(kernels.sum({ n: x.size, square }), { x, partial });
  if (partials === 1) return partial;
  const total = device.empty([1]);
  device.run(kernels.sum({ n: partials, square: false, partials: 1 }), { x: partial, partial: total });
  partial.dispose();
  return total;
}
