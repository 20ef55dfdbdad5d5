/** Which GPU the tests of a platform find. */
import { Device } from '@cim/runtime';
import { testDriver } from '@cim/runtime/testing';

/** @throws GpuUnavailableError when there is none of the driver wanted. */
export async function describeAdapter(): Promise<string> {
  const device = await Device.open({ driver: testDriver(), tuning: 'off' });
  const { driver, description, vendor, architecture, reason } = device.adapter;
  await device.close();
  return `${driver}, ${description || `${vendor} ${architecture}`} (${reason})`;
}
