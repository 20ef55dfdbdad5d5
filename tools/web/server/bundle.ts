/** The app's files, built from its sources. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const app = path.join(path.dirname(fileURLToPath(import.meta.url)), '../app');

/** Contents by address, `index.html` and what is in `assets/`. */
export type Bundle = ReadonlyMap<string, Uint8Array>;

/** Bundles scripts and styles of all pages; every page is a chunk that loads when it is shown. */
export async function bundleApp(): Promise<Bundle> {
  const { outputFiles } = await build({
    entryPoints: ['main.ts', 'style.css', 'icon.svg'].map((file) => path.join(app, file)),
    outdir: '/assets',
    outbase: app,
    write: false,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2023',
    minify: true,
    loader: { '.svg': 'copy' },
    assetNames: '[name]',
    chunkNames: '[name]-[hash]',
    logLevel: 'warning',
  });
  const { readFile } = await import('node:fs/promises');
  const files = new Map<string, Uint8Array>([['index.html', await readFile(path.join(app, 'index.html'))]]);
  for (const { path: file, contents } of outputFiles) files.set(`assets/${path.basename(file)}`, contents);
  return files;
}
