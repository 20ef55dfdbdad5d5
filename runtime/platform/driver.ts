/** What runs the kernels: a real GPU, or one of the software Vulkan drivers for machines without. */
export type DriverName = 'hardware' | 'lavapipe' | 'swiftshader' | 'software';

/** `auto` takes the first that exists of: hardware, lavapipe (Mesa), SwiftShader (in an npm package, 4× slower). */
export const DRIVER_CHOICES = ['auto', 'hardware', 'lavapipe', 'swiftshader'] as const;
/** One of {@link DRIVER_CHOICES}. */
export type DriverChoice = (typeof DRIVER_CHOICES)[number];

/** Whether a text is one of {@link DRIVER_CHOICES}. */
export const isDriverChoice = (name: string): name is DriverChoice =>
  (DRIVER_CHOICES as readonly string[]).includes(name);

/** A Vulkan driver on disk: its manifest for the loader, and the libraries to map before, in order. */
export interface SoftwareDriver {
  /** Path of the JSON file that Vulkan's loader reads. */
  readonly manifest: string;
  /** Paths. */
  readonly libraries: readonly string[];
  /** Empty where nobody needs it. */
  readonly version: string;
}

/** An adapter that no device has been requested from. */
export interface FoundAdapter {
  /** Where it was found. */
  readonly adapter: GPUAdapter;
  /** What stands behind it. */
  readonly driver: DriverName;
  /** Why this driver, and why none before it in the order of preference. */
  readonly reason: string;
  /** The driver, where it is one of ours and not the machine's. */
  readonly software?: SoftwareDriver;
  /** Makes waiting for a promise of the GPU cheap, where it is not by itself. */
  readonly patiently?: <T>(promise: Promise<T>) => Promise<T>;
}

/** Which driver stands behind an adapter. `software` is one we do not know by name, as Windows' WARP. */
export function driverOf({ isFallbackAdapter, architecture, description, device }: GPUAdapterInfo): DriverName {
  if (/swiftshader/i.test(`${architecture} ${description} ${device}`)) return 'swiftshader';
  if (/llvmpipe/i.test(`${architecture} ${description} ${device}`)) return 'lavapipe';
  return isFallbackAdapter ? 'software' : 'hardware';
}
