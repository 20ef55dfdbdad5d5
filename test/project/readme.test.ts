/** What the READMEs promise: examples run, commands and files exist. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { markdownFiles } from './markdown.ts';

const test = suite('readme');
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const PACKAGES = ['kernels', 'runtime', 'model', 'tools'];
const textOf = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const readme = (folder: string): string => textOf(path.join(folder, 'README.md'));
const temporary = mkdtempSync(path.join(tmpdir(), 'cim-readme-'));
test.after(() => rmSync(temporary, { recursive: true }));

/** What the kernels' example leaves to the reader: a device before it, the result after it. */
const AROUND: Readonly<Record<string, readonly [string, string]>> = {
  kernels: [
    `import { Device } from '@cim/runtime';
    const device = await Device.open();
    const { gpu } = device;`,
    `const staging = gpu.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    const copy = gpu.createCommandEncoder();
    copy.copyBufferToBuffer(y, 0, staging, 0, 16);
    gpu.queue.submit([copy.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    console.log('y is ' + [...new Float32Array(staging.getMappedRange())].join(', '));
    await device.close();`,
  ],
};

for (const name of PACKAGES) {
  test(`the example of ${name} prints what it says`, () => {
    const code = /```js\n([\s\S]*?)```/.exec(readme(name))![1];
    const expected = / \/\/ (?:→ )?(.*)\n$/m.exec(code.split('await device.close();')[0])![1];
    const [before, after] = AROUND[name] ?? ['', ''];
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', `${before}\n${code}\n${after}`],
      { cwd: path.join(root, 'test'), encoding: 'utf8', env: { ...process.env, TMPDIR: temporary, NO_COLOR: '1' } },
    );
    assert.is(status, 0, stderr);
    assert.is(stdout.trim(), expected);
  });
}

test('every command and script that is named exists, and every command is named', () => {
  const text = ['', ...PACKAGES].map(readme).join('\n');
  const commands = readdirSync(path.join(root, 'tools/commands')).map((file) => path.basename(file, '.ts'));
  const named = new Set([...text.matchAll(/(?:npm run -s cim -- |`cim )([a-z]+)/g)].map(([, name]) => name));
  assert.equal([...named].sort(), commands.sort());
  const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  for (const [, name] of text.matchAll(/npm run (?:-s )?([a-z]+)/g)) assert.ok(Object.hasOwn(scripts, name), name);
});

/** What GitHub and TypeDoc call a heading in links. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

test('files and headings that are linked to exist', () => {
  for (const file of markdownFiles()) {
    for (const [, name, anchor] of textOf(file).matchAll(/\]\(([^)#:\s]*)(?:#([^)]*))?\)/g)) {
      const target = name === '' ? file : path.join(path.dirname(file), name);
      assert.ok(existsSync(path.join(root, target)), `${file} links to ${target}`);
      if (anchor === undefined) continue;
      const headings = [...textOf(target).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading));
      assert.ok(headings.includes(anchor), `${file} links to #${anchor} of ${target}`);
    }
  }
});

test('every guide is found from the README', () => {
  for (const file of markdownFiles()) {
    if (file === 'README.md') continue;
    assert.ok(textOf('README.md').includes(`](${file})`), `README.md does not name ${file}`);
  }
});

test.run();
