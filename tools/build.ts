/**
 * Builds what is published: each of the packages below gets a `dist` of ES modules (esbuild) and declarations (tsc), an
 * entry for every file, so that every subpath can be imported; what entries share lies in `chunks`. `pnpm publish` points
 * the package's exports there (publishConfig).
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const PACKAGES = ['kernels', 'runtime', 'model'];
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const declarations = path.join(root, 'dist');

/** The TypeScript files of a package, without declarations and what was built or installed. */
const sources = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts') && !/^(dist|node_modules)\b/.test(file))
    .map((file) => path.join(folder, file));

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
for (const name of PACKAGES) {
  const folder = path.join(root, name);
  const dist = path.join(folder, 'dist');
  rmSync(dist, { recursive: true, force: true });
  renameSync(path.join(declarations, name), dist);
  await build({
    entryPoints: sources(folder),
    outbase: folder,
    outdir: dist,
    bundle: true,
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    format: 'esm',
    target: 'es2022',
    packages: 'external',
    logLevel: 'warning',
  });
  console.log(`${name}/dist: ${readdirSync(dist, { recursive: true }).length} files`);
}
rmSync(declarations, { recursive: true });
