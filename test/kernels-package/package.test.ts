/** @cim/kernels as it is published: whole, by itself, and small where little is used. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { everyKernel } from '../kernels/every-kernel.ts';
import { type Bundler, bundleWithEsbuild, bundleWithRollup } from './bundlers.ts';
import { publishKernels } from './published.ts';

const test = suite('kernels package');
const here = path.dirname(fileURLToPath(import.meta.url));
const { app, folder, remove } = await publishKernels();
test.after(remove);
const dist = path.join(folder, 'dist');
const modules = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.js'));
const load = (file: string): Promise<Record<string, unknown>> => import(pathToFileURL(file).href);

/** Bytes of a page that uses one kernel. */
const LIMIT = 15_000;
/** These hold every way to run an operation, so that the best for a device can be chosen. */
const CHOOSERS = [
  'convForwardCandidates',
  'convForwardOperation',
  'convInputGradientCandidates',
  'convInputGradientOperation',
  'convWeightGradientCandidates',
  'convWeightGradientOperation',
  'gemmCandidates',
  'gemmOperation',
  'operationOf',
  'overlapCandidates',
];

test('no module imports anything but its neighbours', () => {
  const imports = modules.flatMap((file) =>
    [...readFileSync(path.join(dist, file), 'utf8').matchAll(/^(?:import|export)\b[^;'"]*from\s*["']([^"']+)/gm)].map(
      ([, name]) => ({ name, target: path.join(path.dirname(file), name) }),
    ),
  );
  assert.ok(imports.length > modules.length, `${imports.length} imports in ${modules.length} modules`);
  const foreign = imports.filter(({ name, target }) => !/^\.{1,2}\//.test(name) || !modules.includes(target));
  assert.equal(foreign, []);
});

test('the index, subpaths and the single file hold the same', async () => {
  const index = await load(path.join(dist, 'index.js'));
  const { convForwardDirect } = await load(path.join(dist, 'conv/direct.js'));
  assert.is(convForwardDirect, index.convForwardDirect);
  const single = await load(path.join(dist, 'kernels.min.js'));
  assert.equal(Object.keys(single), Object.keys(index));
});

test('the shaders are those of the sources, without comments and indentation', async () => {
  const list = path.join(app, 'every-kernel.js');
  await build({
    entryPoints: [path.join(here, '../kernels/every-kernel.ts')],
    outfile: list,
    bundle: true,
    format: 'esm',
    alias: { '@cim/kernels': path.join(dist, 'kernels.min.js') },
  });
  const published = (await load(list)).everyKernel as typeof everyKernel;
  const words = (wgsl: string) => wgsl.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '').replace(/\s+/g, ' ');
  const [actual, expected] = [published, everyKernel].map((kernels) =>
    kernels().map(({ key, wgsl }) => [key, words(wgsl)]),
  );
  assert.ok(expected.length > 500, `${expected.length} kernels`);
  assert.equal(actual, expected);
});

/** Bytes of a page for each function, of what a bundler makes of a page that uses it alone. */
async function sizes(functions: readonly string[], bundle: Bundler): Promise<Map<string, number>> {
  const pages = functions.map((name) => {
    const page = path.join(app, `${name}.js`);
    writeFileSync(page, `import { ${name} } from '@cim/kernels'; console.log(${name});`);
    return page;
  });
  const bundles = await bundle(pages);
  return new Map(functions.map((name, i) => [name, Buffer.byteLength(bundles[i])]));
}
const tooLarge = (measured: ReadonlyMap<string, number>): string[] =>
  [...measured].filter(([, bytes]) => bytes >= LIMIT).map(([name, bytes]) => `${name}: ${bytes} bytes`);

test(`a page that uses one function gets less than ${LIMIT} bytes from esbuild`, async () => {
  const index = await load(path.join(dist, 'index.js'));
  const functions = Object.keys(index).filter((name) => typeof index[name] === 'function' && !CHOOSERS.includes(name));
  assert.equal(tooLarge(await sizes(functions, bundleWithEsbuild)), []);
});

test('the sizes that the README names are right, from esbuild and from rollup', async () => {
  const readme = readFileSync(path.join(here, '../../kernels/README.md'), 'utf8');
  const named = new Map(
    [...readme.matchAll(/^\| `(\w+)` *\| ([\d.]+) KB *\|/gm)].map(([, name, size]) => [name, +size]),
  );
  assert.ok(named.size > 5, `${named.size} sizes`);
  for (const bundle of [bundleWithEsbuild, bundleWithRollup]) {
    for (const [name, bytes] of await sizes([...named.keys()], bundle)) {
      const stated = named.get(name)!;
      assert.ok(
        Math.abs(bytes / 1000 - stated) < 0.15 * stated,
        `${name}: ${bytes} bytes, the README says ${stated} KB`,
      );
    }
  }
});

test.run();
