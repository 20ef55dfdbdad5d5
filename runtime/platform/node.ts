import { create, globals } from 'webgpu';
import { GpuUnavailableError, ReportedError } from '../errors.ts';
import {
  type DriverChoice,
  type DriverName,
  driverOf,
  type FoundAdapter,
  isDriverChoice,
  type SoftwareDriver,
} from './driver.ts';
import { patiently } from './patience.ts';
import { cacheFolder } from './software/cache.ts';
import { cachedLavapipe, fetchLavapipe } from './software/lavapipe.ts';
import { hasVulkanLoader, mapLibrary, withDriverManifest } from './software/libraries.ts';
import { swiftshader } from './software/swiftshader.ts';

const DOCTOR = 'Run `npm run -s cim -- doctor`: it says what is missing and how to get it.';

// Dawn's instances must outlive every object made from them: a collected instance crashes the process.
// An instance keeps the Vulkan drivers it was made with, hence one for each.
const instances = new Map<string, GPU>();
/** Subgroup matrices are not in the standard yet: without this, adapters do not say that they have them. */
const EXPERIMENTAL = ['enable-dawn-features=allow_unsafe_apis'];

/** Asks Dawn, running on the Vulkan drivers that the machine is set up with or on the one given. */
async function requestAdapter(driver?: SoftwareDriver, fallback = false): Promise<GPUAdapter | null> {
  const key = driver?.manifest ?? 'system';
  const request = (): Promise<GPUAdapter | null> => {
    let gpu = instances.get(key);
    if (!gpu) {
      Object.assign(globalThis, globals);
      instances.set(key, (gpu = create(EXPERIMENTAL)));
    }
    return gpu.requestAdapter({ powerPreference: 'high-performance', forceFallbackAdapter: fallback });
  };
  if (!driver) return request();
  if (!instances.has(key)) for (const library of driver.libraries) mapLibrary(library);
  return withDriverManifest(driver.manifest, request);
}

type Attempt = () => Promise<FoundAdapter>;

/** What the machine offers without our help. */
const system =
  (accepted: readonly DriverName[], wanted: string): Attempt =>
  async () => {
    const possible = process.platform !== 'linux' || hasVulkanLoader();
    for (const fallback of possible ? [false, true] : []) {
      const adapter = await requestAdapter(undefined, fallback);
      const driver = adapter && driverOf(adapter.info);
      if (adapter && driver && accepted.includes(driver)) {
        return {
          adapter,
          driver,
          reason: driver === 'hardware' ? 'found on this machine' : `${driver} is installed on this machine`,
        };
      }
    }
    throw new GpuUnavailableError(`no ${wanted} on this machine`);
  };

const hardware = system(['hardware'], 'hardware adapter');
const installedLavapipe = system(['lavapipe'], 'installed lavapipe');
const installedOther = system(['swiftshader', 'software'], 'other software adapter');

const downloadedLavapipe: Attempt = async () => openLavapipe(cachedLavapipe());
const freshLavapipe: Attempt = async () => openLavapipe(await fetchLavapipe());

function openLavapipe(driver: SoftwareDriver): Promise<FoundAdapter> {
  // Beside the driver: without a writable home Mesa would compile every kernel anew at each start, for minutes.
  process.env.MESA_SHADER_CACHE_DIR ??= cacheFolder();
  return open('lavapipe', driver);
}

const packagedSwiftshader: Attempt = async () => open('swiftshader', swiftshader());

async function open(driver: DriverName, software: SoftwareDriver): Promise<FoundAdapter> {
  const adapter = await requestAdapter(software);
  if (!adapter) throw new GpuUnavailableError(`no adapter in ${software.manifest}`);
  const reason =
    driver === 'lavapipe' ? `Mesa ${software.version}, downloaded` : 'out of the package @sparticuz/chromium';
  return { adapter, driver, reason, software };
}

const ATTEMPTS: Record<DriverChoice, readonly Attempt[]> = {
  auto: [hardware, installedLavapipe, downloadedLavapipe, packagedSwiftshader, installedOther],
  hardware: [hardware],
  lavapipe: [installedLavapipe, downloadedLavapipe, freshLavapipe],
  swiftshader: [packagedSwiftshader, system(['swiftshader'], 'installed SwiftShader')],
};

/** What found a driver before: asking the others again would have the Vulkan loader complain of what it does not find. */
const successful = new Map<DriverChoice, Attempt>();

/**
 * The first adapter that can be had of the driver asked for. Only `lavapipe` downloads (once, see software/lavapipe.ts).
 * @throws GpuUnavailableError saying why each attempt failed.
 */
export async function findNodeAdapter(choice: DriverChoice): Promise<FoundAdapter> {
  const failures: ReportedError[] = [];
  const known = successful.get(choice);
  for (const attempt of known ? [known, ...ATTEMPTS[choice]] : ATTEMPTS[choice]) {
    try {
      const found = await attempt();
      if (isDriverChoice(found.driver)) successful.set(found.driver, attempt);
      const reason = [found.reason, ...failures.map((failure) => failure.message)].join('; ');
      return { ...found, reason, patiently };
    } catch (error) {
      if (!(error instanceof ReportedError)) throw error;
      failures.push(error);
    }
  }
  const remedies = failures.map((failure) => failure.remedy).filter(Boolean);
  throw new GpuUnavailableError(
    `No GPU adapter for the driver ${choice}: ${failures.map((failure) => failure.message).join('; ')}.`,
    [...remedies, DOCTOR].join(' '),
  );
}
