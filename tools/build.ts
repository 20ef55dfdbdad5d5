/**
 * Builds what is published: each package gets a `dist` of ES modules (esbuild) and declarations (tsc). `pnpm publish`
 * points the package's exports there (publishConfig).
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildModules, PUBLISHED } from './build-modules.ts';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const declarations = path.join(root, 'dist');

/** The declarations of all packages in one go, since they import each other. */
function emitDeclarations(): void {
  const require = createRequire(import.meta.url);
  const compiler = path.join(path.dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
  rmSync(declarations, { recursive: true, force: true });
  const project = path.join(root, 'tsconfig.build.json');
  const { status } = spawnSync(process.execPath, [compiler, '-p', project], { stdio: 'inherit' });
  if (status !== 0) process.exit(1);
}

emitDeclarations();
for (const name of PUBLISHED) {
  const dist = path.join(root, name, 'dist');
  rmSync(dist, { recursive: true, force: true });
  renameSync(path.join(declarations, name), dist);
  await buildModules(name, dist);
  console.log(`${name}/dist: ${readdirSync(dist, { recursive: true }).length} files`);
}
rmSync(declarations, { recursive: true });
