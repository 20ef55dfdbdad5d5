import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { GpuUnavailableError } from '../../errors.ts';
import type { SoftwareDriver } from '../driver.ts';
import { cacheFolder } from './cache.ts';

const LOADER = 'libvulkan.so.1';
const MANIFEST = 'vk_swiftshader_icd.json';
const WANTED = [LOADER, 'libvk_swiftshader.so', MANIFEST];
const PACKAGE = '@sparticuz/chromium';

/**
 * SwiftShader and a Vulkan loader, unpacked once from the npm package that carries them for headless Chromium.
 * @throws GpuUnavailableError on other machines than x64 Linux, and where the package is not installed.
 */
export function swiftshader(): SoftwareDriver {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new GpuUnavailableError(`SwiftShader comes for x64 Linux only; this is ${process.arch} ${process.platform}`);
  }
  const archive = findArchive();
  const folder = path.join(cacheFolder(), `swiftshader-${statSync(archive).size}`);
  if (!existsSync(path.join(folder, MANIFEST))) unpack(archive, folder);
  return { manifest: path.join(folder, MANIFEST), libraries: [path.join(folder, LOADER)], version: '' };
}

function findArchive(): string {
  let entry: string;
  try {
    entry = createRequire(import.meta.url).resolve(PACKAGE);
  } catch (cause) {
    throw new GpuUnavailableError(
      `SwiftShader is not installed: the package ${PACKAGE} is missing`,
      `Install ${PACKAGE}.`,
      { cause },
    );
  }
  return path.resolve(path.dirname(entry), '../../bin/swiftshader.tar.br');
}

/** Writes the wanted members of a brotli-compressed tar; the manifest, which tells that all is there, last. */
function unpack(archive: string, folder: string): void {
  const tar = brotliDecompressSync(readFileSync(archive));
  const members = new Map<string, Buffer>();
  const text = (from: number, length: number): string =>
    tar.toString('latin1', from, from + length).replace(/\0.*$/s, '');
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8);
    members.set(path.basename(text(at, 100)), tar.subarray(at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  mkdirSync(folder, { recursive: true });
  for (const name of WANTED) {
    const data = members.get(name);
    if (!data)
      throw new GpuUnavailableError(`${archive} holds no ${name}`, `Install the pinned version of ${PACKAGE}.`);
    const temporary = path.join(folder, `${name}.${process.pid}`);
    writeFileSync(temporary, data);
    renameSync(temporary, path.join(folder, name));
  }
}
