import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';

let folder: string | undefined;

/**
 * Where unpacked and downloaded drivers are kept: $CIM_CACHE if set, else the user's cache folder, else `.cache` of the
 * current folder, else the temporary folder; the first that can be written.
 */
export function cacheFolder(): string {
  if (folder) return folder;
  const user = process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache');
  const candidates = process.env.CIM_CACHE
    ? [path.resolve(process.env.CIM_CACHE)]
    : [path.join(user, 'cim-webgpu'), path.resolve('.cache'), path.join(tmpdir(), 'cim-webgpu')];
  let failure: unknown;
  for (const candidate of candidates) {
    try {
      mkdirSync(candidate, { recursive: true });
      const probe = path.join(candidate, `.writable-${process.pid}`);
      writeFileSync(probe, '');
      rmSync(probe);
      return (folder = candidate);
    } catch (error) {
      failure = error;
    }
  }
  throw new Error(`No cache folder can be written (${candidates.join(', ')}): ${(failure as Error).message}`);
}
