import type { Kernel } from '@cim/kernels/kernel';
import { Device } from './device.ts';
import { dtypeOfElement, type Tensor } from './tensor.ts';

/** Elements of the tensors that kernels are tried on; what lies beyond is out of bounds, which WebGPU makes harmless. */
const SCRATCH = 4096;

/** How {@link warmUp} goes about it. */
export interface WarmUpOptions {
  /** Kernels compiled at once. Default 1, which leaves the other cores to `device`. */
  readonly queues?: number;
}

interface WarmUps {
  /** By key, for every kernel that was asked for; settled when it was tried. */
  readonly kernels: Map<string, Promise<void>>;
  stopped: boolean;
}

const warmUps = new WeakMap<Device, WarmUps>();

function warmUpsOf(device: Device): WarmUps {
  let found = warmUps.get(device);
  if (!found) warmUps.set(device, (found = { kernels: new Map(), stopped: false }));
  return found;
}

/**
 * Has the driver generate the code of kernels before they are needed. Mesa's lavapipe does so when a kernel is first
 * dispatched, on one core, while all that was submitted after it waits; but it keeps the code on the disk. So every kernel
 * runs here on a device of its own, a single workgroup on zeros: the queues of several devices work side by side, and
 * `device` then finds what it needs. Other drivers gain nothing from it: for them there is nothing to do. Kernels that
 * were asked for before are waited for.
 *
 * @returns whether it came to its end: {@link stopWarmUp} may have been called.
 */
export async function warmUp(
  device: Device,
  kernels: readonly Kernel[],
  { queues = 1 }: WarmUpOptions = {},
): Promise<boolean> {
  if (device.adapter.driver !== 'lavapipe') return true;
  const own = warmUpsOf(device);
  const jobs: Job[] = [];
  for (const kernel of kernels) {
    if (own.kernels.has(kernel.key)) continue;
    own.kernels.set(kernel.key, new Promise((resolve) => jobs.push({ kernel, resolve })));
  }
  const workers = Array.from({ length: Math.min(queues, jobs.length) }, () => compileAll(jobs, own));
  await Promise.all([...workers, ...kernels.map(({ key }) => own.kernels.get(key))]);
  return !own.stopped;
}

/** Ends every {@link warmUp} of a device, and waits for the kernels that are being compiled. */
export async function stopWarmUp(device: Device): Promise<void> {
  const own = warmUpsOf(device);
  own.stopped = true;
  await Promise.all(own.kernels.values());
}

/** A kernel, and whom to tell that it was tried. */
interface Job {
  readonly kernel: Kernel;
  readonly resolve: () => void;
}

/** Takes kernels off the list until it is empty. */
async function compileAll(jobs: Job[], own: WarmUps): Promise<void> {
  const device = await Device.open({ driver: 'lavapipe', tuning: 'off' });
  let job: Job | undefined;
  try {
    const scratch = new Map<string, Tensor>();
    for (job = jobs.shift(); job && !own.stopped; job = jobs.shift()) {
      await device.pipelines.compile([job.kernel]);
      device.run({ ...job.kernel, grid: [1, 1, 1] }, scratchFor(device, job.kernel, scratch));
      await device.finish();
      job.resolve();
    }
  } finally {
    await device.close();
    for (const { resolve } of job ? [job, ...jobs.splice(0)] : []) resolve();
  }
}

/** A tensor of zeros for every binding: a kernel must not read what it writes under another name. */
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
