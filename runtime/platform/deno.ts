import { GpuUnavailableError, ReportedError } from '../errors.ts';
import { type DriverChoice, type DriverName, driverOf, type FoundAdapter, type SoftwareDriver } from './driver.ts';
import { cacheFolder } from './software/cache.ts';
import { cachedLavapipe } from './software/lavapipe.ts';
import { swiftshader } from './software/swiftshader.ts';

/** The part of Deno's namespace used here. */
declare const Deno: {
  readonly build: { readonly os: string };
  readonly env: { get(name: string): string | undefined; set(name: string, value: string): void };
  /** Maps a library into the process. */
  dlopen(file: string, symbols: Record<string, never>): unknown;
};

const LOADER = 'libvulkan.so.1';
/** Deno reads it when the first adapter is asked for: OpenGL drivers, its other choice, lack much of WebGPU. */
const BACKEND = 'DENO_WEBGPU_BACKEND';
/** What else the Vulkan loader looks at then: the only drivers there are, or one more than the machine has. */
const ONLY = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'];
const MORE = ['VK_ADD_DRIVER_FILES'];
const SHADER_CACHE = 'MESA_SHADER_CACHE_DIR';

/** What the first choice of this process led to: Deno looks for drivers once. */
interface Prepared {
  readonly choice: DriverChoice;
  /** The driver of ours that was made known. */
  readonly name?: DriverName;
  readonly version?: string;
  /** Why none before it could be had. */
  readonly failures: readonly string[];
}
let prepared: Prepared | undefined;

/**
 * An adapter of Deno's WebGPU (wgpu). All of a process are of the drivers that the first asked for: hardware where there
 * is any and `auto` was asked for, else lavapipe where it was installed or downloaded before, else SwiftShader.
 * Software drivers need the permissions to read files, set environment variables and load libraries.
 * @throws GpuUnavailableError when there is none of that driver.
 */
export async function findDenoAdapter(choice: DriverChoice): Promise<FoundAdapter> {
  const gpu = globalThis.navigator?.gpu;
  if (!gpu) throw new GpuUnavailableError('This Deno has no WebGPU.', 'Use Deno 2.9 or newer.');
  prepared ??= Deno.build.os === 'linux' ? prepare(choice) : { choice, failures: [] };
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  const driver = adapter && driverOf(adapter.info);
  if (adapter && driver && (choice === 'auto' || choice === driver)) {
    return { adapter, driver, reason: [origin(driver, prepared), ...prepared.failures].join('; ') };
  }
  const found = `Deno offers ${driver ?? 'no adapter'}`;
  const first = prepared.choice === choice ? '' : `this process asked for ${prepared.choice} before`;
  throw new GpuUnavailableError(
    `No GPU adapter for the driver ${choice}: ${[found, first, ...prepared.failures].filter(Boolean).join('; ')}.`,
    'Run `npm run -s cim -- doctor`: it gets a software driver where there is none. Or ask for another driver.',
  );
}

function origin(driver: DriverName, { name, version }: Prepared): string {
  if (driver === 'hardware') return 'found on this machine';
  if (driver !== name) return `${driver} is installed on this machine`;
  return driver === 'lavapipe' ? `Mesa ${version}, downloaded` : 'out of the package @sparticuz/chromium';
}

/** Makes a driver known to the Vulkan loader. */
function prepare(choice: DriverChoice): Prepared {
  if (Deno.env.get(BACKEND) === undefined) Deno.env.set(BACKEND, 'vulkan');
  const failures: string[] = [];
  for (const { name, find } of [
    { name: 'lavapipe', find: cachedLavapipe },
    { name: 'swiftshader', find: swiftshader },
  ] as const) {
    if (choice !== 'auto' && choice !== name) continue;
    try {
      const driver = find();
      use(driver, choice === 'auto');
      return { choice, name, version: driver.version, failures };
    } catch (error) {
      if (!(error instanceof ReportedError)) throw error;
      failures.push(error.message);
    }
  }
  return { choice, failures };
}

/** Alone, or besides the drivers that the machine is set up with. */
function use({ manifest, libraries }: SoftwareDriver, besides: boolean): void {
  if (!(besides && maps(LOADER))) for (const library of libraries) Deno.dlopen(library, {});
  for (const variable of besides ? MORE : ONLY) Deno.env.set(variable, manifest);
  // Without a writable home Mesa would compile every kernel anew at each start.
  if (Deno.env.get(SHADER_CACHE) === undefined) Deno.env.set(SHADER_CACHE, cacheFolder());
}

/** Maps a library, if it is there. */
function maps(library: string): boolean {
  try {
    Deno.dlopen(library, {});
    return true;
  } catch {
    return false;
  }
}
