import { Device } from '@cim/runtime';
import { writeFileAtomic } from '../formats/atomic.ts';
import { deviceOptions, type GlobalOptions } from './options.ts';

/**
 * Runs `work` on the device that the options ask for, writes the trace if wanted, and closes the device, whatever
 * happens. What runs the kernels is said on stderr.
 *
 * @throws GpuUnavailableError when there is no such adapter; OutputError when the trace cannot be written.
 */
export async function withDevice<T>(options: GlobalOptions, work: (device: Device) => Promise<T>): Promise<T> {
  const device = await Device.open(deviceOptions(options));
  const { driver, description, vendor, device: model } = device.adapter;
  console.error(`Running on ${driver}: ${description || `${vendor} ${model}`}`);
  try {
    const result = await work(device);
    if (options.trace !== undefined) await writeTrace(device, options.trace);
    return result;
  } finally {
    await device.close();
  }
}

async function writeTrace(device: Device, file: string): Promise<void> {
  if (!device.tracer) {
    console.error('No trace is written: this adapter has no timestamp queries.');
    return;
  }
  await device.finish();
  await device.tracer.settled();
  await writeFileAtomic(file, JSON.stringify(device.tracer.chromeTrace()));
  console.error(`Trace of ${device.tracer.kernels.length} kernels: ${file}`);
}
