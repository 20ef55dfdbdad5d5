import { GpuUnavailableError } from '../errors.ts';
import type { DriverChoice, FoundAdapter } from './driver.ts';

/**
 * An adapter of Deno's WebGPU, of a browser's, or of Dawn in Node.
 * @throws GpuUnavailableError when there is none of that driver.
 */
export async function findAdapter(choice: DriverChoice): Promise<FoundAdapter> {
  if ('Deno' in globalThis) return (await import('./deno.ts')).findDenoAdapter(choice);
  if (globalThis.navigator?.gpu || typeof process === 'undefined' || !process.versions?.node) {
    return (await import('./browser.ts')).findBrowserAdapter(choice);
  }
  let node: typeof import('./node.ts');
  try {
    node = await import('./node.ts');
  } catch (cause) {
    throw new GpuUnavailableError(
      `Dawn, the WebGPU implementation for Node, cannot be loaded: ${(cause as Error).message}`,
      'It needs macOS, Windows, or a Linux with glibc 2.34 or newer (Debian 12, Ubuntu 22.04; not Alpine).',
      { cause },
    );
  }
  return node.findNodeAdapter(choice);
}
