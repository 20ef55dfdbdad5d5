/** @cim/kernels as an installer lays it out: nothing of this repository around it. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildModules } from '@cim/tools/build-modules';

const source = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../kernels');

export interface Published {
  /** An empty app that has the package in its node_modules. */
  readonly app: string;
  /** The package: dist, package.json and, as if it had been copied from the repository, examples. */
  readonly folder: string;
  remove(): void;
}

export async function publishKernels(): Promise<Published> {
  const app = mkdtempSync(path.join(tmpdir(), 'cim-kernels-'));
  const folder = path.join(app, 'node_modules', '@cim', 'kernels');
  mkdirSync(folder, { recursive: true });
  await buildModules('kernels', path.join(folder, 'dist'));
  const manifest = JSON.parse(readFileSync(path.join(source, 'package.json'), 'utf8'));
  const { exports } = manifest.publishConfig;
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ ...manifest, exports }));
  writeFileSync(path.join(app, 'package.json'), '{ "type": "module" }');
  cpSync(path.join(source, 'examples'), path.join(folder, 'examples'), { recursive: true });
  return { app, folder, remove: () => rmSync(app, { recursive: true }) };
}
