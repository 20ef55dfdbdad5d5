/** Tuning where there are processes and files: candidates that take their process with them, and what is kept. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { operationOf } from '@cim/kernels';
import { type ReportedError, TuningFileError } from '@cim/runtime';
import { TuningProcess } from '@cim/runtime/platform/tuning-process';
import { FileStore } from '@cim/runtime/platform/tuning-store';
import { testDevice, testDriver } from '@cim/runtime/testing';
import { type Environment, parseTable } from '@cim/runtime/tune/entry';
import { openWinners } from '@cim/runtime/tune/open';
import { shippedFor } from '@cim/runtime/tune/shipped';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fakeOperation } from '../runtime/fake-operation.ts';
import { environment, product, won } from '../runtime/tuned.ts';
import { temporaryFolder } from '../tools/tiny-run.ts';

const test = suite('tuning on Node');

test('candidates that hang, crash or break the device cost one process each, and the others are tuned', async () => {
  const worker = new URL('fake-tuning-worker.ts', import.meta.url).href;
  const tuner = new TuningProcess({ driver: testDriver() }, 3, worker);
  try {
    const { winner, candidates } = await tuner.tune(fakeOperation('broken', 'hanging', 'wrong', 'crashing'));
    assert.is(winner, 'right');
    assert.is(candidates.broken.status, 'failed');
    assert.match(candidates.broken.message!, 'fake.broken does not compile');
    assert.is(candidates.hanging.status, 'timeout');
    assert.is(candidates.hanging.seconds, 3);
    assert.is(candidates.wrong.status, 'wrong');
    assert.is(candidates.crashing.status, 'failed');
    // Known verdicts spare the next tuning all of that.
    const again = await tuner.tune(fakeOperation('broken', 'hanging', 'crashing'), candidates);
    assert.is(again.winner, 'right');
    assert.equal(again.candidates.hanging, candidates.hanging);
  } finally {
    await tuner.close();
  }
});

test('files: what is written is read by others; damage is a warning, and a new result replaces it', () => {
  const root = temporaryFolder('tuning');
  const warnings: ReportedError[] = [];
  const open = (where: Environment): FileStore => new FileStore(where, (warning) => warnings.push(warning), root);
  const store = open(environment);
  assert.is(store.read(product.key), undefined);
  assert.equal(store.keys(), []);
  store.write(product.key, won);
  assert.equal(open(environment).read(product.key), won);
  assert.equal(open(environment).keys(), [product.key]);
  assert.is(open({ ...environment, implementation: 'webgpu 2' }).read(product.key), undefined);
  assert.is(open({ ...environment, description: 'D 2' }).read(product.key), undefined);
  assert.equal(warnings, []);

  const file = join(store.folder, `${product.key}.json`);
  const damages = [
    '',
    '{"entry": {"family"',
    '[]',
    '{"entry": {}}',
    JSON.stringify({ entry: { ...won, winner: 'no' } }),
  ];
  for (const text of damages) {
    writeFileSync(file, text);
    assert.is(store.read(product.key), undefined, text);
  }
  assert.is(warnings.length, damages.length);
  for (const warning of warnings) {
    assert.instance(warning, TuningFileError);
    assert.match(warning.message, file);
  }
  store.write(product.key, won);
  assert.equal(store.read(product.key), won);
});

test('processes that write at the same time lose nothing', async () => {
  const root = temporaryFolder('tuning');
  const script = fileURLToPath(new URL('store-writer.ts', import.meta.url));
  const run = (name: string): Promise<unknown> =>
    promisify(execFile)(process.execPath, [
      ...['--import', 'tsx', script, root, name],
      ...[JSON.stringify(environment), JSON.stringify(won)],
    ]);
  await Promise.all([run('one'), run('two')]);
  const store = new FileStore(environment, assert.unreachable, root);
  assert.is(store.keys().length, 81);
  for (const key of store.keys()) assert.equal(store.read(key), won);
  assert.equal(
    readdirSync(store.folder).filter((file) => !file.endsWith('.json')),
    [],
  );
});

test('a device knows the shipped table of its driver unless tuning is off', async () => {
  const device = await testDevice();
  const winners = await openWinners(device, assert.unreachable);
  assert.is(winners.environment.driver, device.adapter.driver);
  assert.match(winners.environment.implementation, /^webgpu \d/);
});

test('the shipped tables are of known adapters, and their classes are those of their shapes', () => {
  const tables = new URL('../../runtime/tune/tables/', import.meta.url);
  for (const file of readdirSync(tables)) {
    const { environment: where, entries } = parseTable(readFileSync(new URL(file, tables), 'utf8'), file);
    assert.equal(shippedFor(where), entries, file);
    for (const [key, entry] of Object.entries(entries)) {
      assert.is(key.replace(/-f16$/, ''), operationOf(entry)?.key);
    }
  }
});

test.run();
