/** The tuner on candidates that are right, wrong or slow; who uses what it found. */
import { convForwardOperation, gemmOperation, type Operation, PORTABLE } from '@cim/kernels';
import { Device, TuningFileError, Variants } from '@cim/runtime';
import { testDevice, testDriver } from '@cim/runtime/testing';
import { BackgroundTuning } from '@cim/runtime/tune/background';
import { hashText, parseTable, type TunedEntry } from '@cim/runtime/tune/entry';
import { openWinners } from '@cim/runtime/tune/open';
import { MemoryStore } from '@cim/runtime/tune/store';
import { tuneOperation } from '@cim/runtime/tune/tune';
import { Winners } from '@cim/runtime/tune/winners';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { fakeOperation } from './fake-operation.ts';
import { entryOf, environment, estimated, other, product, won } from './tuned.ts';

const test = suite('tune');
const device = await testDevice();
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
  assert.ok(winners.environment.implementation);
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
