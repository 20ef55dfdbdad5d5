/** Types, lint rules and the lock file. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('quality');
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const require = createRequire(path.join(root, 'package.json'));

/** Runs a package's program in Node from the root folder; what it printed is the message of a failure. */
function expectSuccess(program: string, ...args: string[]): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { cwd: root, encoding: 'utf8' });
  assert.is(status, 0, `${stdout}${stderr}`);
}

test('types are right', () => {
  expectSuccess(path.join(path.dirname(require.resolve('typescript/package.json')), 'bin/tsc'), '-p', '.');
});

test('the linter finds nothing and the formatter would change nothing', () => {
  expectSuccess(require.resolve('@biomejs/biome/bin/biome'), 'check', '--error-on-warnings', '.');
});

test('the lock file names no host: packages come from wherever the machine is configured to get them', () => {
  assert.not.match(readFileSync(path.join(root, 'pnpm-lock.yaml'), 'utf8'), /https?:\/\//);
});

test.run();
