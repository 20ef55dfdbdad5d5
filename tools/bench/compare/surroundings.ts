/** What a contestant's process is started with, so that all run on the same adapter. */
import path from 'node:path';
import type { DriverChoice } from '@cim/runtime/platform/driver';
import { findAdapter } from '@cim/runtime/platform/platform';
import type { Surroundings } from './contender.ts';

/** Seconds for a library to load and to open its adapter. */
const OPEN_LIMIT = 120;

/**
 * Finds the adapter that our own kernels would run on. A library that brings its own Dawn finds the same one: the Vulkan
 * loader and the driver are named in its environment.
 * @throws GpuUnavailableError when there is none.
 */
export async function surroundingsOf(
  choice: DriverChoice,
): Promise<Surroundings & { readonly description: string; readonly software: boolean }> {
  const { adapter, driver, software } = await findAdapter(choice);
  const environment: Record<string, string> = {};
  if (software) {
    environment.VK_DRIVER_FILES = environment.VK_ICD_FILENAMES = software.manifest;
    const folders = [...new Set(software.libraries.map((file) => path.dirname(file)))];
    if (process.env.LD_LIBRARY_PATH) folders.push(process.env.LD_LIBRARY_PATH);
    environment.LD_LIBRARY_PATH = folders.join(path.delimiter);
  }
  const { description, vendor, device } = adapter.info;
  return {
    driver: driver === 'software' ? choice : driver,
    software: driver !== 'hardware',
    description: `${driver}: ${description || `${vendor} ${device}`}`,
    environment,
    openLimit: OPEN_LIMIT,
  };
}
