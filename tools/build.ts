/**
 * Builds what is published: each of the packages below gets a `dist` of ES modules and declarations, file by file, so that
 * every subpath can be imported. `pnpm publish` points the package's exports there (publishConfig).
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGES = ['kernels', 'runtime', 'model'];
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const dist = path.join(root, 'dist');

const compiler = path.join(
  path.dirname(createRequire(import.meta.url).resolve('typescript/package.json')),
  'bin',
  'tsc',
);
rmSync(dist, { recursive: true, force: true });
const { status } = spawnSync(process.execPath, [compiler, '-p', path.join(root, 'tsconfig.build.json')], {
  stdio: 'inherit',
});
if (status !== 0) process.exit(1);
for (const name of PACKAGES) {
  const target = path.join(root, name, 'dist');
  rmSync(target, { recursive: true, force: true });
  renameSync(path.join(dist, name), target);
  console.log(`${name}/dist: ${readdirSync(target, { recursive: true }).length} files`);
}
rmSync(dist, { recursive: true });
