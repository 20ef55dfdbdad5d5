/** Everything public is documented, and the documentation says what the code does. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type PublicSymbol, publicSymbols, root } from '@cim/docs/reference/public-api';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('docs');
const symbols = publicSymbols();

/** Fails with the place and name of each. */
function expectNone(symbols: readonly PublicSymbol[], what: string, detail: (symbol: PublicSymbol) => string): void {
  const list = symbols.map((symbol) => `  ${symbol.file}:${symbol.line} ${symbol.name}${detail(symbol)}`);
  assert.is(list.length, 0, `${list.length} ${what}:\n${list.join('\n')}`);
}

test('the public API is found', () => {
  const names = new Set(symbols.map(({ name }) => name));
  for (const name of ['convForwardCandidates', 'Device.open', 'relu', 'expectClose', 'Cim.losses', 'proposeMasks']) {
    assert.ok(names.has(name), `${name} is not among ${symbols.length} public names.`);
  }
});

test('every public export, member and field is documented', () => {
  const isDocumented = ({ doc, tags }: PublicSymbol): boolean =>
    doc !== '' || tags.some(({ name }) => name === 'param' || name === 'returns');
  expectNone(
    symbols.filter((symbol) => !isDocumented(symbol)),
    'lack documentation',
    () => '',
  );
});

const undocumentedErrors = ({ throws, tags }: PublicSymbol): string[] => {
  const text = tags.filter(({ name }) => name === 'throws').map(({ text }) => text);
  return throws.filter((error) => !new RegExp(`\\b${error}\\b`).test(text.join('\n')));
};

test('errors that a function throws are named under @throws', () => {
  expectNone(
    symbols.filter((symbol) => undocumentedErrors(symbol).length > 0),
    'throw what they do not tell',
    (symbol) => `: ${undocumentedErrors(symbol).join(', ')}`,
  );
});

/** A binding is given with its shape: its name, and a shape before the sentence ends, as in `x and y [n]`. */
const shapelessBindings = ({ doc, bindings }: PublicSymbol): string[] =>
  bindings.filter((name) => !new RegExp(`(^|\\W)${name}\\b[^.;]*\\[[^\\]]`, 'm').test(doc));

test('kernels tell the shapes of all their bindings', () => {
  assert.ok(symbols.filter(({ bindings }) => bindings.length > 0).length > 80);
  expectNone(
    symbols.filter((symbol) => shapelessBindings(symbol).length > 0),
    'kernels do not tell shapes',
    (symbol) => `: ${shapelessBindings(symbol).join(', ')}`,
  );
});

test('the API reference is made, without a warning', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'cim-docs-'));
  try {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', 'tsx', path.join(root, 'docs/reference/build.ts'), folder],
      { cwd: root, encoding: 'utf8' },
    );
    assert.is(status, 0, `${stdout}${stderr}`);
    for (const page of ['index.html', 'classes/_cim_runtime_device.Device.html', 'assets/search.js']) {
      assert.ok(existsSync(path.join(folder, page)), `There is no ${page}.`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
