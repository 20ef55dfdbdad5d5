/** The tuner on candidates that are right, wrong, slow, or take their process with them; what it keeps, and who uses it. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { convForwardOperation, gemmOperation, type Operation, operationOf, PORTABLE } from '@cim/kernels';
import { Device, type ReportedError, TuningFileError, Variants } from '@cim/runtime';
import { TuningProcess } from '@cim/runtime/platform/tuning-process';
import { FileStore } from '@cim/runtime/platform/tuning-store';
import { testDevice, testDriver } from '@cim/runtime/testing';
import { BackgroundTuning } from '@cim/runtime/tune/background';
import { type Environment, hashText, parseTable, planHash, type TunedEntry } from '@cim/runtime/tune/entry';
import { openWinners } from '@cim/runtime/tune/open';
import { shippedFor } from '@cim/runtime/tune/shipped';
import { MemoryStore } from '@cim/runtime/tune/store';
import { tuneOperation } from '@cim/runtime/tune/tune';
import { Winners } from '@cim/runtime/tune/winners';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { temporaryFolder } from '../tools/tiny-run.ts';
import { fakeOperation } from './fake-operation.ts';

const test = suite('tune');
const device = await testDevice();
const environment: Environment = {
  ...{ vendor: 'v', architecture: 'a', device: 'd', description: 'D' },
  driver: 'software',
  implementation: 'webgpu 1',
};

test('a wrong candidate never wins, nor one that forgets elements, is slow or does not fit', async () => {
  const before = device.memoryUse.live;
  const { heuristic, winner, candidates } = await tuneOperation(
    device,
    fakeOperation('wrong', 'forgetful', 'slow', 'unfit'),
  );
  assert.is(heuristic, 'right');
  assert.is(winner, 'right');
  const statuses = Object.fromEntries(Object.entries(candidates).map(([name, { status }]) => [name, status]));
  assert.equal(statuses, { right: statuses.right, wrong: 'wrong', forgetful: 'wrong', slow: 'slow', unfit: 'failed' });
  assert.match(candidates.wrong.message!, /^element \d+ of 30 is .+, not .+ ± /);
  assert.match(candidates.forgetful.message!, 'is not written');
  assert.match(candidates.unfit.message!, 'invocations');
  assert.ok(candidates.slow.seconds! > candidates.right.seconds!);
  assert.is(device.memoryUse.live, before);
});

test('the candidates of real operations are right', async () => {
  const shape = { n: 2, ci: 9, h: 11, w: 13, co: 10, kh: 3, kw: 3, stride: 1, padding: 1, dilation: 1 };
  const operation = convForwardOperation(shape);
  const trials: unknown[] = [];
  const entry = await tuneOperation(device, operation, { onTrial: (trial) => trials.push(trial) });
  const names = [...operation.candidates(device.target)].map(({ name }) => name);
  assert.equal(Object.keys(entry.candidates).sort(), [...names].sort());
  for (const [name, { status }] of Object.entries(entry.candidates)) assert.ok(/timed|slow/.test(status), name);
  assert.ok(names.includes(entry.winner!));
  assert.is(entry.heuristic, names[0]);
  assert.is(trials.length, names.length + 1);
});

test('what was wrong is not tried again until its source changes', async () => {
  const operation = fakeOperation('wrong');
  const { candidates } = await tuneOperation(device, operation);
  const tried = async (known: TunedEntry['candidates']): Promise<unknown[]> => {
    const trials: unknown[] = [];
    const onTrial = (trial: object | string) =>
      trials.push(typeof trial === 'string' ? trial : (trial as { candidate: string }).candidate);
    await tuneOperation(device, operation, { known, onTrial });
    return trials;
  };
  assert.equal(await tried(candidates), ['right', 'timing']);
  const old = { ...candidates, wrong: { ...candidates.wrong, hash: 'other' } };
  assert.equal(await tried(old), ['right', 'wrong', 'timing']);
});

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

const entryOf = (operation: Operation, winner: string): TunedEntry => {
  const candidate = [...operation.candidates(PORTABLE)].find(({ name }) => name === winner)!;
  const hash = planHash(candidate.plan(operation.plain));
  const { family, shape } = operation;
  return { family, shape, heuristic: 'x', winner, candidates: { [winner]: { status: 'timed', hash, seconds: 1 } } };
};

const product = gemmOperation({ m: 100, n: 64, k: 640 });
const [estimated, other] = [...product.candidates(PORTABLE)].map(({ name }) => name);
const won = entryOf(product, other);

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

test('a winner is used for its class while its source is the same; own results go before shipped ones', () => {
  const find = (own: TunedEntry | null, shipped: TunedEntry | null, operation: Operation = product) => {
    const store = new MemoryStore(environment);
    if (own) store.write(product.key, own);
    return new Winners(store, shipped ? { [product.key]: shipped } : {}, PORTABLE).find(operation);
  };
  const stale = { ...won, candidates: { [other]: { status: 'timed', hash: hashText('old') } } } as const;
  assert.is(find(null, null), undefined);
  assert.is(find(won, null), other);
  assert.is(find(null, won), other);
  assert.is(find(won, entryOf(product, estimated)), other);
  assert.is(find(stale, null), undefined);
  assert.is(find(stale, won), other);
  assert.is(find({ ...won, family: 'gone' }, null), undefined);
  assert.is(find(won, null, gemmOperation({ m: 99, n: 64, k: 639 })), other);
  assert.is(find(won, null, gemmOperation({ m: 129, n: 64, k: 640 })), undefined);
});

test('choosing: off is the estimate; then winners, kept choices, set choices, the pinned variant', () => {
  const store = new MemoryStore(environment);
  store.write(product.key, won);
  const choose = (setUp: (variants: Variants) => void, set?: Record<string, string>): string => {
    const variants = new Variants(PORTABLE, set);
    setUp(variants);
    const { name } = variants.choose(product);
    assert.is(variants.choose(product).name, name);
    return name;
  };
  const learn = (variants: Variants): void => {
    variants.winners = new Winners(store, {}, PORTABLE);
  };
  assert.is(
    choose(() => {}),
    estimated,
  );
  assert.is(choose(learn), other);
  const kept = { [product.key]: 'heuristic' };
  assert.is(
    choose((variants) => {
      learn(variants);
      variants.keep(kept);
    }),
    estimated,
  );
  assert.is(
    choose((variants) => variants.keep({ [product.key]: other })),
    other,
  );
  assert.is(
    choose((variants) => variants.keep(kept), { [product.key]: other }),
    other,
  );
  assert.is(
    choose((variants) => variants.keep({ [product.key]: 'conv.forward.direct' })),
    estimated,
  );
  assert.is(
    choose((variants) => {
      learn(variants);
      variants.pin(estimated);
    }),
    estimated,
  );
});

test('what was used says what a later run must keep to', () => {
  const variants = new Variants(PORTABLE);
  variants.winners = new Winners(new MemoryStore(environment), { [product.key]: won }, PORTABLE);
  const unknown = gemmOperation({ m: 3, n: 3, k: 3 });
  variants.choose(product);
  variants.choose(unknown);
  variants.choose(unknown);
  assert.equal(variants.used, { [unknown.key]: 'heuristic', [product.key]: other });
  assert.equal(
    variants.untuned.map(({ operation: { key }, calls }) => [key, calls]),
    [[unknown.key, 2]],
  );
  const later = new Variants(PORTABLE);
  later.keep(variants.used);
  assert.is(later.choose(product).name, other);
  assert.equal(later.used, variants.used);
  variants.adopt(unknown, 'gemm.blocked.32x32x4x4');
  assert.is(variants.choose(unknown).name, 'gemm.blocked.32x32x4x4');
  assert.equal(variants.untuned, []);
});

test('in the background, one operation after the other is tuned, the one with most work first', async () => {
  const own = await Device.open({ driver: testDriver(), tuning: 'background' });
  own.variants.winners = new Winners(new MemoryStore(environment), {}, own.target);
  const background = new BackgroundTuning(own);
  try {
    const [small, large] = [gemmOperation({ m: 4, n: 4, k: 8 }), gemmOperation({ m: 40, n: 40, k: 80 })];
    for (const operation of [small, large]) own.variants.choose(operation);
    const left = (): string[] => own.variants.untuned.map(({ operation: { key } }) => key);
    assert.equal(left(), [small.key, large.key]);
    assert.is(await background.next(), undefined);
    assert.equal(left(), [small.key]);
    const { winner } = own.variants.winners.entry(large)!;
    assert.is(own.variants.choose(large).name, winner);
    assert.is(own.variants.used[large.key], winner);
    await background.next();
    assert.equal(left(), []);
    await background.next();
  } finally {
    await background.close();
    await own.close();
  }
});

test('a device knows the shipped table of its driver unless tuning is off', async () => {
  assert.is(device.variants.winners, undefined);
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

test('a table that is none is a typed error', async () => {
  const table = { format: 'cim-tuning', version: 1, environment, entries: { [product.key]: won } };
  assert.equal(parseTable(JSON.stringify(table), 'f.json'), table);
  for (const text of [
    '{',
    '[]',
    '{}',
    JSON.stringify({ ...table, version: 2 }),
    JSON.stringify({ ...table, entries: [1] }),
  ]) {
    const error = await rejection(() => parseTable(text, 'f.json'));
    assert.instance(error, TuningFileError);
    assert.match(error.message, 'f.json');
  }
});

test.run();
