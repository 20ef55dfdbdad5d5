/** The set-up's last step, a process of its own: opens the best adapter there can be and prints it as JSON. */
import { Device, ReportedError } from '@cim/runtime';
import { cacheFolder } from '@cim/runtime/platform/software/cache';

async function best(): Promise<Device> {
  const device = await Device.open();
  if (device.adapter.driver === 'hardware' || device.adapter.driver === 'lavapipe') return device;
  await device.close();
  try {
    return await Device.open({ driver: 'lavapipe' });
  } catch (error) {
    if (!(error instanceof ReportedError)) throw error;
    // The reason is kept in the cache folder, and so part of this device's.
    return Device.open();
  }
}

try {
  const device = await best();
  const { driver, description, vendor, device: model, reason } = device.adapter;
  console.log(
    JSON.stringify({ driver, description: description || `${vendor} ${model}`, reason, folder: cacheFolder() }),
  );
  await device.close();
} catch (error) {
  if (!(error instanceof ReportedError)) throw error;
  console.log(JSON.stringify({ message: error.message, remedy: error.remedy }));
}
