import { GpuUnavailableError } from '../errors.ts';
import { type DriverChoice, driverOf, type FoundAdapter } from './driver.ts';

/** An adapter of a browser. The driver is its own to choose, ours to check. */
export async function findBrowserAdapter(choice: DriverChoice): Promise<FoundAdapter> {
  const gpu = globalThis.navigator?.gpu;
  if (!gpu)
    throw new GpuUnavailableError('This browser has no WebGPU.', 'Use a current Chrome, Edge, Firefox or Safari.');
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter)
    throw new GpuUnavailableError('This browser found no GPU adapter.', 'Look at chrome://gpu or about:support.');
  const driver = driverOf(adapter.info);
  if (choice !== 'auto' && choice !== driver) {
    throw new GpuUnavailableError(
      `The driver ${choice} was asked for, but this browser offers ${driver}.`,
      'Start the browser with the driver wanted, or ask for auto.',
    );
  }
  return { adapter, driver, reason: 'chosen by the browser' };
}
