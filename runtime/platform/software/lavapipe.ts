/**
 * Mesa lavapipe without root: apt resolves and downloads the driver and whatever of its dependencies this machine
 * lacks, with all of apt's state in a folder of ours, from the mirror the machine is configured with. Nothing is
 * installed. Only the libraries that the driver needs are kept, next to a manifest for the Vulkan loader.
 */
import { execFile } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { GpuUnavailableError } from '../../errors.ts';
import type { SoftwareDriver } from '../driver.ts';
import { cacheFolder } from './cache.ts';
import { neededLibraries } from './elf.ts';
import { RTLD_NODELETE } from './libraries.ts';

const PACKAGE = 'mesa-vulkan-drivers';
const DRIVER = 'libvulkan_lvp.so';
const LOADER = 'libvulkan.so.1';
const MANIFEST = 'lvp_icd.json';
const CONTENTS = 'contents.json';
/** Mesa 22's lavapipe lacks what Dawn requires of an adapter. */
const OLDEST_MESA = 23;
const APT_TIMEOUT = 180_000;
/** Libraries that Node itself has mapped: a second copy would break the process. */
const OF_THE_PROCESS = /^(ld-linux|lib(c|m|dl|rt|pthread|resolv|gcc_s|stdc\+\+)\.so)/;

/** Opens a device with the libraries, manifest and Dawn given as arguments. Text, since no compiled file exists before a build. */
const PROBE = `
const [dawn, manifest, ...libraries] = process.argv.slice(1);
process.env.VK_DRIVER_FILES = process.env.VK_ICD_FILENAMES = manifest;
for (const library of libraries) {
  try { process.dlopen({ exports: {} }, library, ${constants.dlopen?.RTLD_NOW | RTLD_NODELETE}); }
  catch (error) { if (!/did not self-register/.test(error.message)) throw error; }
}
const { create } = await import(dawn);
globalThis.gpu = create([]);
const adapter = await gpu.requestAdapter();
if (!adapter) throw new Error('Dawn finds no adapter in it.');
await adapter.requestDevice();
process.exit(0);`;

const folderOfDriver = (): string => path.join(cacheFolder(), 'lavapipe');

const fileOfFailure = (): string => path.join(cacheFolder(), 'lavapipe-failure.txt');

/**
 * The downloaded driver.
 * @throws GpuUnavailableError when there is none, with the reason if a download was tried.
 */
export function cachedLavapipe(): SoftwareDriver {
  const folder = folderOfDriver();
  if (existsSync(path.join(folder, CONTENTS))) return read(folder);
  throw new GpuUnavailableError(
    existsSync(fileOfFailure()) ? readFileSync(fileOfFailure(), 'utf8') : 'no lavapipe downloaded before',
  );
}

function read(folder: string): SoftwareDriver {
  const { libraries, version } = JSON.parse(readFileSync(path.join(folder, CONTENTS), 'utf8')) as {
    libraries: string[];
    version: string;
  };
  return {
    manifest: path.join(folder, MANIFEST),
    libraries: libraries.map((name) => path.join(folder, name)),
    version,
  };
}

/**
 * Downloads lavapipe into the cache folder and proves that an adapter opens with it.
 * @throws GpuUnavailableError with the reason when that is not possible here; nothing is left behind.
 */
export async function fetchLavapipe(): Promise<SoftwareDriver> {
  if (process.platform !== 'linux')
    throw new GpuUnavailableError(`lavapipe is fetched on Linux only; this is ${process.platform}`);
  const work = mkdtempSync(path.join(cacheFolder(), 'lavapipe-'));
  try {
    const version = await download(work);
    const ready = await assemble(work, version);
    await verify(read(ready));
    const folder = folderOfDriver();
    rmSync(folder, { recursive: true, force: true });
    renameSync(ready, folder);
    rmSync(fileOfFailure(), { force: true });
  } catch (cause) {
    const message = `lavapipe could not be fetched: ${firstLine(cause)}`;
    writeFileSync(fileOfFailure(), message);
    const remedy = 'Install Mesa 23 or newer with the Vulkan drivers, or use `--driver swiftshader`.';
    throw new GpuUnavailableError(message, remedy, { cause });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return read(folderOfDriver());
}

const run = promisify(execFile);

function firstLine(cause: unknown): string {
  const {
    code,
    path: program,
    stderr,
    message,
  } = cause as { code?: unknown; path?: string; stderr?: string; message: string };
  if (code === 'ENOENT' && program) return `there is no ${program} on this machine`;
  return (stderr?.trim() || message).split('\n')[0];
}

/** Downloads the driver's packages to `work`/archives. Returns the version of Mesa. */
async function download(work: string): Promise<string> {
  const sources = path.join(work, 'sources.list');
  const lists = path.join(work, 'lists');
  const archives = path.join(work, 'archives');
  for (const folder of [lists, archives]) mkdirSync(path.join(folder, 'partial'), { recursive: true });
  const settings = {
    'Dir::State': work,
    'Dir::State::Lists': lists,
    'Dir::State::status': '/var/lib/dpkg/status',
    'Dir::Cache': work,
    'Dir::Cache::archives': archives,
    // Container images turn these off, and then every call takes a second to make them anew.
    'Dir::Cache::pkgcache': 'pkgcache.bin',
    'Dir::Cache::srcpkgcache': 'srcpkgcache.bin',
    'Dir::Etc::sourcelist': sources,
    'Dir::Etc::sourceparts': '-',
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '2',
    'Debug::NoLocking': '1',
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  const apt = async (program: string, ...args: string[]): Promise<string> => {
    const env = { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
    return (await run(program, [...options, ...args], { timeout: APT_TIMEOUT, env, maxBuffer: 1 << 24 })).stdout;
  };

  const update = async (content: readonly string[]): Promise<void> => {
    writeFileSync(sources, `${content.join('\n')}\n`);
    await apt('apt-get', 'update', '-qq');
  };

  const { codename, lines } = await distributionSources();
  const backports = lines
    .filter((line) => line.includes(` ${codename} `))
    .map((line) => line.replace(` ${codename} `, ` ${codename}-backports `));
  // apt takes nothing from backports unless told to; not every distribution has them.
  const targets = await update([...new Set([...lines, ...backports])]).then(
    () => [[], ['-t', `${codename}-backports`]],
    () => update(lines).then(() => [[]]),
  );
  let offered = 'none';
  for (const target of targets) {
    const policy = await apt('apt-cache', ...target, 'policy', PACKAGE);
    offered = /Candidate: (?:\d+:)?(\S+)/.exec(policy)?.[1] ?? 'none';
    if (!(Number.parseInt(offered, 10) >= OLDEST_MESA)) continue;
    await apt('apt-get', 'install', '-y', '-qq', '--no-install-recommends', '--download-only', ...target, PACKAGE);
    return offered;
  }
  throw new Error(
    `apt offers ${PACKAGE} ${offered.replace('(none)', 'none')}, but version ${OLDEST_MESA} or newer is needed`,
  );
}

/** The distribution's own archives among the configured ones, as one-line sources: third parties are left out. */
async function distributionSources(): Promise<{ codename: string; lines: string[] }> {
  const release = readFileSync('/etc/os-release', 'utf8');
  const field = (name: string): string => new RegExp(`^${name}="?([^"\n]*)`, 'm').exec(release)?.[1] ?? '';
  const codename = field('VERSION_CODENAME');
  const keyring = ['gpg', 'pgp']
    .map((type) => `/usr/share/keyrings/${field('ID')}-archive-keyring.${type}`)
    .find((file) => existsSync(file));
  const option = keyring ? `[signed-by=${keyring}] ` : '';
  const format = '$(REPO_URI) $(RELEASE) $(COMPONENT)';
  const { stdout } = await run('apt-get', ['indextargets', '--format', format, 'Created-By: Packages']);
  const lines = stdout.split('\n').filter((line) => {
    const [, suite = '', component = ''] = line.split(' ');
    return codename !== '' && suite.split(/[-/]/)[0] === codename && /^(main|universe)$/.test(component);
  });
  if (lines.length === 0) throw new Error(`apt has no source for ${field('ID')} ${codename}`);
  return { codename, lines: [...new Set(lines)].map((line) => `deb ${option}${line}`) };
}

/** Unpacks the packages and puts the driver, the loader and the libraries they need into one folder. */
async function assemble(work: string, version: string): Promise<string> {
  const root = path.join(work, 'root');
  for (const file of readdirSync(path.join(work, 'archives')).filter((name) => name.endsWith('.deb'))) {
    await run('dpkg-deb', ['-x', path.join(work, 'archives', file), root]);
  }
  const files = new Map<string, string>();
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    // Variants for newer processors stand in folders of their own: the plain ones run everywhere.
    if (!/\.so(\.|$)/.test(entry.name) || /glibc-hwcaps/.test(entry.parentPath ?? entry.path)) continue;
    files.set(entry.name, path.join(entry.parentPath ?? entry.path, entry.name));
  }
  if (!files.has(DRIVER)) throw new Error(`${PACKAGE} ${version} holds no ${DRIVER}`);

  // Dependencies before dependents: the order in which they can be mapped one by one.
  const ordered: string[] = [];
  const visit = (name: string): void => {
    const file = files.get(name);
    if (!file || ordered.includes(name) || OF_THE_PROCESS.test(name)) return;
    for (const needed of neededLibraries(file)) visit(needed);
    ordered.push(name);
  };
  visit(LOADER);
  visit(DRIVER);

  const ready = path.join(work, 'ready');
  mkdirSync(ready);
  for (const name of ordered) copyFileSync(files.get(name)!, path.join(ready, name));
  // A path with a slash is relative to the manifest: the folder can be moved.
  const manifest = { file_format_version: '1.0.0', ICD: { library_path: `./${DRIVER}`, api_version: '1.3.0' } };
  writeFileSync(path.join(ready, MANIFEST), JSON.stringify(manifest));
  writeFileSync(
    path.join(ready, CONTENTS),
    JSON.stringify({ version, libraries: ordered.filter((name) => name !== DRIVER) }),
  );
  return ready;
}

/** Opens a device in a process of its own: a driver that crashes must not take this one along. */
async function verify({ manifest, libraries }: SoftwareDriver): Promise<void> {
  const dawn = pathToFileURL(createRequire(import.meta.url).resolve('webgpu')).href;
  await run(process.execPath, ['--input-type=module', '-e', PROBE, dawn, manifest, ...libraries], { timeout: 60_000 });
}
