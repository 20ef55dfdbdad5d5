import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, release, totalmem, userInfo } from 'node:os';
import path from 'node:path';

/** Name and value pairs. */
export function describeMachine(): [string, string][] {
  return [
    ['system', `${process.platform} ${process.arch}, ${distribution() ?? release()}`],
    ['C library', cLibrary()],
    ['processor', `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`],
    ['memory', `${(totalmem() / 2 ** 30).toFixed(1)} GiB`],
    ['Node', process.version],
    ['Dawn', `npm package webgpu ${dawnVersion()}`],
  ];
}

function distribution(): string | undefined {
  if (!existsSync('/etc/os-release')) return undefined;
  return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
}

function cLibrary(): string {
  if (process.platform !== 'linux') return 'of the system';
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime
    ? `glibc ${header.glibcVersionRuntime}`
    : 'not glibc: Dawn needs glibc 2.34 or newer';
}

/** The version that the runtime package resolves to. */
function dawnVersion(): string {
  const require = createRequire(createRequire(import.meta.url).resolve('@cim/runtime'));
  const manifest = path.join(path.dirname(require.resolve('webgpu')), 'package.json');
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}

/** What a person can do when no real GPU was found. */
export function adviceForGpu(): string[] {
  if (process.platform === 'darwin') return ['Every Mac since 2012 has a GPU for Metal: update macOS.'];
  if (process.platform === 'win32') return ["Install the GPU maker's current driver: Dawn uses Direct3D 12."];
  const nodes = existsSync('/dev/dri') ? readdirSync('/dev/dri').filter((name) => name.startsWith('renderD')) : [];
  if (existsSync('/dev/nvidiactl')) {
    return [
      'There is an NVIDIA GPU, but no Vulkan driver for it: install the driver with its Vulkan part (in a container: NVIDIA_DRIVER_CAPABILITIES=all).',
    ];
  }
  if (nodes.length === 0)
    return [
      'This machine has no GPU (no /dev/dri/renderD*, no /dev/nvidiactl): a software driver is all there can be.',
    ];
  const locked = nodes.filter((name) => !canOpen(path.join('/dev/dri', name)));
  if (locked.length > 0)
    return [
      `There is a GPU, but ${userInfo().username} may not open /dev/dri/${locked[0]}: add the user to its group.`,
    ];
  return [
    'There is a GPU, but no Vulkan driver for it: install libvulkan1 and mesa-vulkan-drivers, or what your distribution calls them.',
  ];
}

function canOpen(file: string): boolean {
  try {
    accessSync(file, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
