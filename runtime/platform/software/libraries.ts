import { constants } from 'node:os';

/** Keeps the library mapped after Node, finding that it is no addon, closes it. glibc's value on every architecture. */
export const RTLD_NODELETE = 0x1000;

/**
 * Maps a shared library into this process. Whatever is opened later and needs its name gets this copy, so that neither
 * LD_LIBRARY_PATH nor a launcher is needed. Main thread only.
 */
export function mapLibrary(file: string): void {
  try {
    process.dlopen({ exports: {} }, file, constants.dlopen.RTLD_NOW | RTLD_NODELETE);
  } catch (error) {
    // Expected: it is not a Node addon, but it is mapped.
    if (!/did not self-register/.test((error as Error).message)) throw error;
  }
}

/** Whether this machine, or this process by now, has a Vulkan loader: without one there is no adapter to ask for. */
export function hasVulkanLoader(): boolean {
  try {
    mapLibrary('libvulkan.so.1');
    return true;
  } catch {
    return false;
  }
}

const VARIABLES = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'] as const;

/** Runs `work` while the Vulkan loader is told to use this driver manifest and no other. */
export async function withDriverManifest<T>(manifest: string, work: () => Promise<T>): Promise<T> {
  const before = VARIABLES.map((name) => [name, process.env[name]] as const);
  // Node's main thread passes this on to setenv(), which the loader reads when Dawn makes its Vulkan instance.
  for (const name of VARIABLES) process.env[name] = manifest;
  try {
    return await work();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}
