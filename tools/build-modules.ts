/**
 * The ES modules of a published package: an entry for every file, so that every subpath can be imported.
 *
 * The kernels run anywhere, so theirs needs neither a bundler nor an installer: nothing is imported but neighbours, by
 * their full names. A file stays a file, which lets a bundler leave out what a page does not use; `kernels.min.js` is all
 * of them in one. In the other packages what entries share lies in `chunks`.
 */
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { minifyWgsl } from './minify-wgsl.ts';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

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
      for (const { path: file, text } of outputFiles) {
        mkdirSync(path.dirname(file), { recursive: true });
        writeFileSync(file, minifyWgsl(text));
      }
    });
  },
};

/** For no platform: whoever bundles for browsers leaves out what the packages' `browser` fields name. */
const MODULES: BuildOptions = {
  bundle: true,
  format: 'esm',
  platform: 'neutral',
  target: 'es2022',
  logLevel: 'warning',
};

/** The TypeScript files of a package, without declarations and what was built or installed. */
const sources = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts') && !/^(dist|node_modules)\b/.test(file))
    .map((file) => path.join(folder, file));

async function buildKernels(dist: string): Promise<void> {
  const folder = path.join(root, 'kernels');
  const plugins = [separateFiles, shorterShaders];
  await build({ ...MODULES, entryPoints: sources(folder), outbase: folder, outdir: dist, plugins });
  await build({
    ...MODULES,
    entryPoints: [path.join(folder, 'index.ts')],
    outfile: path.join(dist, 'kernels.min.js'),
    minify: true,
    plugins: [shorterShaders],
  });
  // Its code is part of both.
  const notice = path.join(folder, 'node_modules', 'wgsl-preprocessor', 'LICENSE');
  copyFileSync(notice, path.join(dist, 'wgsl-preprocessor.LICENSE'));
}

async function buildWithChunks(name: string, dist: string): Promise<void> {
  const folder = path.join(root, name);
  await build({
    ...MODULES,
    entryPoints: sources(folder),
    outbase: folder,
    outdir: dist,
    packages: 'external',
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
  });
}

/** What is published, by the names of the folders. */
export const PUBLISHED = ['kernels', 'runtime', 'model'] as const;

/** Writes the modules of a package into the folder `dist`. */
export const buildModules = (name: (typeof PUBLISHED)[number], dist: string): Promise<void> =>
  name === 'kernels' ? buildKernels(dist) : buildWithChunks(name, dist);
