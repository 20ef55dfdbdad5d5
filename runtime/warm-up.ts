import type { Kernel } from '@cim/kernels/kernel';
import { Device } from './device.ts';
import { dtypeOfElement, type Tensor } from './tensor.ts';

/** Elements of the tensors that kernels are tried on; what lies beyond is out of bounds, which WebGPU makes harmless. */
const SCRATCH = 4096;

/**
 * Has the driver generate the code of kernels before they are needed. Mesa's lavapipe does so when a kernel is first
 * dispatched, on one core, while all that was submitted after it waits; but it keeps the code on the disk. So every kernel
 * runs here on a device of its own, a single workgroup on zeros: the queues of two devices work side by side, and
 * `device` then finds what it needs. Other drivers gain nothing from it: for them there is nothing to do.
 *
 * Resolves when all is done, or soon after `signal` is aborted.
 */
export async function warmUp(device: Device, kernels: readonly Kernel[], signal?: AbortSignal): Promise<void> {
  if (device.adapter.driver !== 'lavapipe' || kernels.length === 0) return;
  const own = await Device.open({ driver: 'lavapipe', tuning: 'off' });
  try {
    const scratch = new Map<string, Tensor>();
    for (const kernel of kernels) {
      if (signal?.aborted) return;
      await own.pipelines.compile([kernel]);
      own.run({ ...kernel, grid: [1, 1, 1] }, scratchFor(own, kernel, scratch));
      await own.finish();
    }
  } finally {
    await own.close();
  }
}

/** A tensor of zeros for every binding: two of a kernel may not share one that it writes. */
function scratchFor(device: Device, { bindings }: Kernel, scratch: Map<string, Tensor>): Record<string, Tensor> {
  const tensors: Record<string, Tensor> = {};
  Object.entries(bindings).forEach(([name, { element }], i) => {
    const dtype = dtypeOfElement(element);
    const key = `${i} ${dtype}`;
    let tensor = scratch.get(key);
    if (!tensor) scratch.set(key, (tensor = device.zeros([SCRATCH], dtype)));
    tensors[name] = tensor;
  });
  return tensors;
}
