/** docs/testing-shaders.md: its examples run, and mistakes are reported as its table says. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('docs/testing-shaders.md');
const here = path.dirname(fileURLToPath(import.meta.url));
const text = readFileSync(path.join(here, '../../docs/testing-shaders.md'), 'utf8');
const examples = [...text.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code);
const deno = createRequire(import.meta.url).resolve('deno/bin.cjs');
// Beside this file, where the packages are found.
const temporary = mkdtempSync(path.join(here, '.examples-'));
test.after(() => rmSync(temporary, { recursive: true }));

function run(name: string, code: string) {
  const file = path.join(temporary, `${name}.test.js`);
  writeFileSync(file, code);
  const command = code.includes('Deno.test') ? [deno, 'test', '--no-check', '-A', file] : ['--import', 'tsx', file];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, {
    cwd: path.dirname(here),
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1' },
  });
  return { status, output: stdout + stderr };
}

for (const [index, code] of examples.entries()) {
  test(`example ${index + 1} passes`, () => {
    const { status, output } = run(`example-${index}`, code);
    assert.is(status, 0, output);
    assert.match(output, /Passed: +[1-9]|[1-9]\d* passed/);
  });
}

test('mistakes are reported as the table says', () => {
  const rows = [...text.matchAll(/^\| `(.+?)` +\| `(.+?)` +\| (.+?) +\|$/gm)].map((match) => match.slice(1));
  assert.is(rows.length, 8);
  const [body] = /gpuTest\('doubles[\s\S]*?\n\}\);\n/.exec(examples[0])!;
  // One program for all: a test of its own for each row.
  const tests = rows.map(([from, to], row) => {
    assert.is(examples[0].split(from).length, 2, from);
    const shader = /const code = (`[\s\S]*?`);/.exec(examples[0])![1].replace(from, to);
    return body.replace('doubles every element', `row ${row}.`).replace('code,', `code: ${shader},`).replace(from, to);
  });
  const { output } = run('mistakes', examples[0].replace(body, tests.join('\n')));
  for (const [row, [, , message]] of rows.entries()) {
    const reported = output.split(`"row ${row}."\n`)[1];
    assert.ok(reported?.trimStart().startsWith(message), `row ${row}: ${reported?.slice(0, 500) ?? output}`);
  }
  const [, quoted] = /```text\n([\s\S]*?)```/.exec(text)!;
  const line = quoted.split('\n').slice(1).join('\n').trim();
  assert.ok(output.replace(/^ {4}/gm, '').includes(line.replace(/^ {4}/gm, '')), output);
});

test.run();
