/** What runs the kernels: a real GPU, or one of the software Vulkan drivers for machines without. */
export type DriverName = 'hardware' | 'lavapipe' | 'swiftshader' | 'software';

/** `auto` takes the first that exists of: hardware, lavapipe (Mesa), SwiftShader (in an npm package, 4× slower). */
export const DRIVER_CHOICES = ['auto', 'hardware', 'lavapipe', 'swiftshader'] as const;
export type DriverChoice = (typeof DRIVER_CHOICES)[number];

export const isDriverChoice = (name: string): name is DriverChoice => (DRIVER_CHOICES as readonly string[]).includes(name);

/** An adapter that no device has been requested from. */
export interface FoundAdapter {
  readonly adapter: GPUAdapter;
  readonly driver: DriverName;
  /** Why this driver, and why none before it in the order of preference. */
  readonly reason: string;
}

/** Which driver stands behind an adapter. `software` is one we do not know by name, as Windows' WARP. */
export function driverOf({ isFallbackAdapter, architecture, description, device }: GPUAdapterInfo): DriverName {
  if (/swiftshader/i.test(`${architecture} ${description} ${device}`)) return 'swiftshader';
  if (/llvmpipe/i.test(`${architecture} ${description} ${device}`)) return 'lavapipe';
  return isFallbackAdapter ? 'software' : 'hardware';
}
