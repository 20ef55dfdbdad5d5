/**
 * Examples: those of doc comments run, and print what they say (`console.log(…); // → …`); those of guides and READMEs are
 * correct TypeScript whose imports exist. The first one of each README runs in readme.test.ts.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { inspect } from 'node:util';
import { publicSymbols, root } from '@cim/docs/reference/public-api';
import { transform } from 'esbuild';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { codeBlocks, markdownFiles } from './markdown.ts';

const test = suite('examples');
type Program = (load: (name: string) => Promise<object>, log: { log(...values: unknown[]): void }) => Promise<void>;
const AsyncFunction = (async () => {}).constructor as new (...source: string[]) => Program;

/** Every example must be here, so that none gets lost. */
const EXPECTED = [
  'Cim',
  'Device.open',
  'Device.run',
  'Device.scope',
  'Device.tensor',
  'Generator',
  'Tape',
  'conv2d',
  'defineKernel',
  'detectInstances',
  'evaluateCoco',
  'linear',
  'pairwiseIou',
  'proposeMasks',
  'roiAlign',
  'runKernel',
  'softmax',
  'trainCim',
];

const IMPORT = /^import (?:\* as (\w+)|\{([^}]*)\}) from "([^"]+)";$/gm;

/** The example as JavaScript, its imports as pairs of module and names. */
async function compile(code: string): Promise<{ code: string; imports: [module: string, names: string[]][] }> {
  const options = {
    loader: 'ts',
    format: 'esm',
    target: 'es2022',
    tsconfigRaw: '{"compilerOptions":{"verbatimModuleSyntax":true}}',
  } as const;
  const { code: plain } = await transform(code, options);
  const imports = [...plain.matchAll(IMPORT)].map(([, , names = '', module]): [string, string[]] => [
    module,
    names
      .split(',')
      .map((name) => name.trim().split(' as ')[0])
      .filter(Boolean),
  ]);
  const body = plain.replace(IMPORT, (_, all: string | undefined, names: string, module: string) => {
    return `const ${all ?? `{${names.replaceAll(' as ', ': ')}}`} = await load("${module}");`;
  });
  return { code: body, imports };
}

const examples = publicSymbols().flatMap(({ name, file, tags }) =>
  tags
    .filter((tag) => tag.name === 'example')
    .map(({ text }) => ({ name, file, code: /^```ts\n([\s\S]*)```$/.exec(text.trim())?.[1] })),
);

test('what is used most has examples', () => {
  const names = examples.map(({ name }) => name);
  for (const name of EXPECTED) assert.ok(names.includes(name), `${name} has no example`);
});

for (const { name, file, code } of examples) {
  test(`${name} (${file})`, async () => {
    assert.ok(code, 'An example is one block of ts.');
    const printed: string[] = [];
    const print = (...values: unknown[]): void => {
      printed.push(values.map((value) => (typeof value === 'string' ? value : inspect(value))).join(' '));
    };
    await new AsyncFunction('load', 'console', (await compile(code!)).code)((module) => import(module), { log: print });
    assert.equal(
      printed,
      [...code!.matchAll(/ \/\/ → (.*)$/gm)].map(([, text]) => text),
    );
  });
}

for (const file of markdownFiles()) {
  const blocks = codeBlocks(readFileSync(path.join(root, file), 'utf8'), ['js', 'ts']);
  if (blocks.length === 0) continue;
  test(`${file}: its code is correct, its imports exist`, async () => {
    for (const block of blocks) {
      for (const [module, names] of (await compile(block)).imports) {
        if (!/^(@cim|node:)/.test(module)) continue;
        const exports: object = await import(module);
        for (const name of names) assert.ok(name in exports, `${module} has no ${name}`);
      }
    }
  });
}

test.run();
