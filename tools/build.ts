/**
 * Builds what is published: each of the packages below gets a `dist` of ES modules (esbuild) and declarations (tsc), an
 * entry for every file, so that every subpath can be imported. `pnpm publish` points the package's exports there
 * (publishConfig).
 *
 * The kernels run anywhere, so theirs needs neither a bundler nor an installer: nothing is imported but neighbours, by
 * their full names. A file stays a file, which lets a bundler leave out what a page does not use; `kernels.min.js` is all
 * of them in one. In the other packages what entries share lies in `chunks`.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { minifyWgsl } from './minify-wgsl.ts';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const declarations = path.join(root, 'dist');

/** Files of one package stay files: imports of neighbours are kept, ending as the built ones do. */
const separateFiles: Plugin = {
  name: 'separate-files',
  setup({ onResolve }) {
    onResolve({ filter: /^\.{1,2}\/.*\.ts$/ }, ({ kind, path: file }) =>
      kind === 'entry-point' ? undefined : { path: file.replace(/\.ts$/, '.js'), external: true },
    );
  },
};

const shorterShaders: Plugin = {
  name: 'shorter-shaders',
  setup({ initialOptions, onEnd }) {
    initialOptions.write = false;
    onEnd(({ outputFiles = [] }) => {
      for (const { path: file, text } of outputFiles) writeFileSync(file, minifyWgsl(text));
    });
  },
};

const PACKAGES: Readonly<Record<string, BuildOptions>> = {
  kernels: { plugins: [separateFiles, shorterShaders] },
  runtime: { packages: 'external', splitting: true, chunkNames: 'chunks/[name]-[hash]' },
  model: { packages: 'external', splitting: true, chunkNames: 'chunks/[name]-[hash]' },
};

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

const COMMON: BuildOptions = { bundle: true, format: 'esm', target: 'es2022', logLevel: 'warning' };

emitDeclarations();
for (const [name, options] of Object.entries(PACKAGES)) {
  const folder = path.join(root, name);
  const dist = path.join(folder, 'dist');
  rmSync(dist, { recursive: true, force: true });
  renameSync(path.join(declarations, name), dist);
  await build({ ...COMMON, ...options, entryPoints: sources(folder), outbase: folder, outdir: dist });
  console.log(`${name}/dist: ${readdirSync(dist, { recursive: true }).length} files`);
}
rmSync(declarations, { recursive: true });

const kernels = path.join(root, 'kernels');
await build({
  ...COMMON,
  entryPoints: [path.join(kernels, 'index.ts')],
  outfile: path.join(kernels, 'dist', 'kernels.min.js'),
  minify: true,
  plugins: [shorterShaders],
});
// Its text is part of dist/kernel.js.
const preprocessor = path.join(kernels, 'node_modules', 'wgsl-preprocessor', 'LICENSE');
copyFileSync(preprocessor, path.join(kernels, 'dist', 'wgsl-preprocessor.LICENSE'));
