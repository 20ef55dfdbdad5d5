/** What is published works in plain Node, without TypeScript, workspace or loader. */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { testDriver } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

interface Manifest {
  name: string;
  version: string;
  type: string;
  exports: unknown;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  publishConfig: { exports: unknown };
}

const test = suite('build');
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const PACKAGES = ['kernels', 'runtime', 'model'];
const app = mkdtempSync(path.join(tmpdir(), 'cim-app-'));
test.after(() => rmSync(app, { recursive: true, force: true }));

/** Lays the built packages out as an installer does: own folders, dependencies beside them. */
function install(name: string): void {
  const source = path.join(root, name);
  const manifest = JSON.parse(readFileSync(path.join(source, 'package.json'), 'utf8')) as Manifest;
  const target = path.join(app, 'node_modules', manifest.name);
  cpSync(path.join(source, 'dist'), path.join(target, 'dist'), { recursive: true });
  writeFileSync(
    path.join(target, 'package.json'),
    JSON.stringify({ ...manifest, exports: manifest.publishConfig.exports }),
  );
  for (const dependency of Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })) {
    if (dependency.startsWith('@cim/')) continue;
    const link = path.join(app, 'node_modules', dependency);
    mkdirSync(path.dirname(link), { recursive: true });
    symlinkSync(realpathSync(path.join(source, 'node_modules', dependency)), link, 'junction');
  }
}

/** Runs Node; what it printed is the message of a failure. */
function run(cwd: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' });
  assert.is(status, 0, `${stdout}${stderr}`);
  return stdout;
}
const node = (code: string): string => run(app, '--input-type=module', '-e', code);

test('the packages build', () => {
  run(root, '--import', 'tsx', path.join(root, 'tools/build.ts'));
  PACKAGES.forEach(install);
});

test('a kernel is text, bindings and a grid, by the index and by its own path', () => {
  const output = node(`
    import { add } from '@cim/kernels';
    import { add as same } from '@cim/kernels/elementwise/elementwise';
    const kernel = add({ n: 100, relu: true });
    console.log(JSON.stringify([add === same, Object.keys(kernel.bindings), kernel.grid, kernel.wgsl.includes('fn main')]));`);
  assert.equal(JSON.parse(output), [true, ['a', 'b', 'y'], [2, 1, 1], true]);
});

test('the runtime runs a differentiable operation', () => {
  const output = node(`
    import { Device, functional, Tape } from '@cim/runtime';
    const device = await Device.open({ driver: '${testDriver()}' });
    const x = device.tensor([1, -2, 3]);
    const y = functional.addRelu(new Tape(device), x, x);
    console.log(JSON.stringify([...(await y.read())]));
    await device.close();`);
  assert.equal(JSON.parse(output), [2, 0, 6]);
});

test('declarations are complete', () => {
  writeFileSync(
    path.join(app, 'app.ts'),
    `import { add } from '@cim/kernels';\nimport { Device } from '@cim/runtime';\nexport const [k, open] = [add({ n: 1, relu: true }).wgsl.length, Device.open];\n`,
  );
  const compiler = path.join(root, 'node_modules/typescript/bin/tsc');
  const types = path.join(root, 'node_modules/@types');
  const options = [
    '--strict',
    '--noEmit',
    '--module',
    'nodenext',
    '--target',
    'es2023',
    '--lib',
    'es2023,dom',
    '--typeRoots',
    types,
    '--types',
    'node',
  ];
  run(app, compiler, ...options, 'app.ts');
});

test.run();
