import { Device, type DeviceOptions, stopWarmUp } from '@cim/runtime';
import { writeFileAtomic } from '../formats/atomic.ts';
import { deviceOptions } from './device-options.ts';
import type { GlobalOptions } from './options.ts';
import { textTable } from './table.ts';

/**
 * Runs `work` on the device that the options ask for, writes the trace if wanted, and closes the device, whatever
 * happens. What runs the kernels is said on stderr. `more` settles what no option does.
 *
 * @throws GpuUnavailableError when there is no such adapter; OutputError when the trace cannot be written.
 */
export async function withDevice<T>(
  options: GlobalOptions,
  work: (device: Device) => Promise<T>,
  more: DeviceOptions = {},
): Promise<T> {
  const device = await Device.open({ ...deviceOptions(options), ...more });
  const { driver, description, vendor, device: model } = device.adapter;
  console.error(`Running on ${driver}: ${description || `${vendor} ${model}`}`);
  try {
    const result = await work(device);
    if (options.trace !== undefined) await writeTrace(device, options.trace);
    return result;
  } finally {
    await stopWarmUp(device);
    await device.close();
  }
}

/** Kernels listed at the end of a traced command, by total time. */
const SLOWEST = 12;

async function writeTrace(device: Device, file: string): Promise<void> {
  if (!device.tracer) {
    console.error('No trace is written: this adapter has no timestamp queries.');
    return;
  }
  await device.finish();
  await device.tracer.settled();
  await writeFileAtomic(file, JSON.stringify(device.tracer.chromeTrace()));
  const rows = device.tracer
    .summary()
    .slice(0, SLOWEST)
    .map(({ name, count, nanoseconds, flops }) => [
      name,
      String(count),
      (nanoseconds / 1e6).toFixed(1),
      (flops / nanoseconds).toFixed(1),
    ]);
  console.error(textTable(['kernel', 'dispatches', 'ms', 'GFLOP/s'], rows));
  const { nanoseconds, longest, before } = device.tracer.idle;
  const ms = (time: number): string => (time / 1e6).toFixed(2);
  console.error(
    `Kernels ran in ${(100 * device.tracer.busyShare).toFixed(0)} % of the time between the first and the last. ` +
      `None ran for ${ms(nanoseconds)} ms in all, ${ms(longest)} ms at once${before ? `, before ${before}` : ''}.`,
  );
  console.error(`Trace of ${device.tracer.kernels.length} kernels: ${file}`);
}
