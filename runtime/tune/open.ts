import type { Device } from '../device.ts';
import type { ReportedError } from '../errors.ts';
import { environmentOf } from './entry.ts';
import { shippedFor } from './shipped.ts';
import { MemoryStore, type TuningStore } from './store.ts';
import { hasProcesses } from './tuner.ts';
import { Winners } from './winners.ts';

/** What is known of kernels on the device's adapter: in the user's cache where there are files, and shipped. */
export async function openWinners(
  { adapter, target }: Pick<Device, 'adapter' | 'target'>,
  warn: (warning: ReportedError) => void,
): Promise<Winners> {
  let store: TuningStore;
  if (hasProcesses()) store = (await import('../platform/tuning-store.ts')).openFileStore(adapter, warn);
  else store = new MemoryStore(environmentOf(adapter, globalThis.navigator?.userAgent ?? ''));
  return new Winners(store, shippedFor(store.environment), target);
}
