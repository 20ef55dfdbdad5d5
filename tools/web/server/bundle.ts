/** The app's files, built from its sources. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const web = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
/** By the names they get in `assets/`. */
const ENTRIES = {
  main: 'app/main.ts',
  style: 'app/style.css',
  icon: 'app/icon.svg',
  'try-worker': 'try/worker.ts',
};

/** Contents by address, `index.html` and what is in `assets/`. */
export type Bundle = ReadonlyMap<string, Uint8Array>;

/** Bundles scripts and styles of all pages; every page is a chunk that loads when it is shown. */
export async function bundleApp(): Promise<Bundle> {
  const { outputFiles } = await build({
    entryPoints: Object.entries(ENTRIES).map(([out, file]) => ({ in: path.join(web, file), out })),
    outdir: '/assets',
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
  const files = new Map<string, Uint8Array>([['index.html', await readFile(path.join(web, 'app', 'index.html'))]]);
  for (const { path: file, contents } of outputFiles) files.set(`assets/${path.basename(file)}`, contents);
  return files;
}
