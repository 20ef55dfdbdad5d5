import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { presets } from '@cim/model/recipe/presets';
import { Device } from '@cim/runtime';
import { testDevice, testDriver } from '@cim/runtime/testing';
import { quartiles, spread } from '@cim/runtime/tune/quartiles';
import { bench } from '@cim/tools/bench/bench';
import type { BenchItem } from '@cim/tools/bench/item';
import { convItems, gemmItem, linearItems, selectItems, standardItems } from '@cim/tools/bench/items';
import { timingOf } from '@cim/tools/bench/measure';
import { measureStepMemory } from '@cim/tools/bench/memory';
import { blobMasks, overlapItem } from '@cim/tools/bench/overlap-item';
import { measurementTable, rooflineLine } from '@cim/tools/bench/report';
import { LIMITS } from '@cim/tools/bench/roofline';
import { loadAll, multiplyAddChains, storeAll } from '@cim/tools/bench/roofline-kernels';
import { ConfigError } from '@cim/tools/errors';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { cim } from './cim.ts';
import { temporaryFolder } from './tiny-run.ts';

const test = suite('bench');
const items: BenchItem[] = [
  ...convItems('s', { n: 2, ci: 3, co: 5, kh: 3, kw: 3, h: 9, w: 11, stride: 2 }),
  gemmItem('G', 'product', { m: 5, n: 7, k: 9 }),
  ...linearItems('L', 3, 65, 17),
  overlapItem('mask', 'blobs', blobMasks, 5, 7, 5),
];
const size = { invocations: 64, rounds: 2, elements: 2 ** 12 };
const options = { sampleSeconds: 0.001, spread: 0.1, samples: [2, 3], budget: 2 } as const;

for (const trace of [false, true]) {
  test(`every item is measured${trace ? ', by timestamps where there are any' : ''}`, async () => {
    const device = await Device.open({ driver: testDriver(), trace });
    try {
      const cold: string[] = [];
      let rounds = 0;
      const result = await bench(device, items, size, options, {
        onCold: ({ id }) => cold.push(id),
        onRound: () => rounds++,
      });
      const names = items.map(({ id }) => id);
      assert.is(cold.length, LIMITS + names.length);
      assert.equal(cold.slice(LIMITS), names);
      assert.ok(rounds === 2 || rounds === 3, String(rounds));
      assert.is(result.timing, timingOf(device));
      assert.is(result.adapter.driver, device.adapter.driver);
      for (const value of Object.values(result.roofline)) assert.ok(Number.isFinite(value), String(value));
      assert.equal(
        result.items.map(({ id }) => id),
        names,
      );
      for (const { id, kernels, bytes, cold, seconds, samples, runsPerSample } of result.items) {
        assert.ok(kernels.length > 0 && kernels.every((name) => /^(conv|gemm|mask)\./.test(name)), id);
        assert.ok(bytes > 0 && cold > 0 && runsPerSample > 0, id);
        assert.ok(seconds.lower > 0 && seconds.lower <= seconds.median && seconds.median <= seconds.upper, id);
        assert.is(samples, rounds, id);
      }
      const table = measurementTable(result.items, result.roofline).split('\n');
      assert.is(table.length, items.length + 1);
      assert.match(rooflineLine(result.roofline), /^Peak: [\d.]+ GFLOP\/s/);
      assert.is(device.memoryUse.live, 0);
      assert.is(device.memoryUse.requested, 0);
    } finally {
      await device.close();
    }
  });
}

test('the kernels of the roofline do all the work that is counted', async () => {
  const device = await testDevice();
  await device.scopeAsync(async () => {
    for (const type of ['f32', 'vec4f'] as const) {
      const lanes = type === 'f32' ? 1 : 4;
      for (const form of ['fma', 'sum'] as const) {
        const y = device.zeros([64]);
        device.run(multiplyAddChains({ type, chains: 3, form, rounds: 8, invocations: 64 }), { y });
        // After 64 steps of x/2 + 1/4 nothing is left of where it began.
        for (const value of await y.read()) assert.is(value, 3 * lanes * 0.5);
      }

      const elements = 256 * lanes;
      const x = device.tensor(Float32Array.from({ length: elements }, (_, i) => i % 100));
      const sums = device.zeros([elements / (16 * lanes)]);
      device.run(loadAll(elements, type), { x, y: sums });
      const total = (values: Iterable<number>): number => [...values].reduce((sum, value) => sum + value, 0);
      assert.is(total(await sums.read()), total(await x.read()));

      device.run(storeAll(elements, type), { y: x });
      assert.equal(
        [...(await x.read())],
        Array.from({ length: elements }, (_, i) => Math.floor(i / lanes) % 16),
      );
    }
  });
});

test('quartiles lie between values, and the spread is their distance', () => {
  assert.equal(quartiles([4, 1, 2, 3]), { lower: 1.75, median: 2.5, upper: 3.25 });
  assert.equal(quartiles([7]), { lower: 7, median: 7, upper: 7 });
  assert.is(spread({ lower: 1, median: 2, upper: 4 }), 1.5);
});

test('items are chosen by shape, kind or id; another name is a typed error', async () => {
  const all = standardItems({ quick: true });
  assert.is(new Set(all.map(({ id }) => id)).size, all.length);
  assert.is(selectItems(all, []).length, all.length);
  const ids = selectItems(all, ['a', 'G2.forward', 'mask']).map(({ id }) => id);
  assert.equal(ids, ['a.forward', 'a.inputGradient', 'a.weightGradient', 'G2.forward', 'mask.blobs', 'mask.noise']);
  assert.is(selectItems(all, ['weightGradient']).length, 9);
  const [quick, full] = [all, standardItems({ quick: false })].map((list) => selectItems(list, ['m.forward'])[0].flops);
  assert.is(full, 10 * quick);
  const error = await rejection(() => selectItems(all, ['a', 'forwards']));
  assert.instance(error, ConfigError);
  assert.match(error.message, /--filter forwards/);
  assert.match(error.remedy!, /Did you mean forward\?/);
});

test('a step holds what its tensors need and reserves no less', async () => {
  const recipe = presets['demo-hrnet'];
  const device = await Device.open({ driver: testDriver() });
  try {
    const size = { classes: 5, width: 320, height: 240, proposals: 4 };
    const { events, standing, lowerBound, peak } = measureStepMemory(device, { ...size, recipe });
    assert.ok(events > 100, String(events));
    assert.ok(0 < standing && standing < lowerBound && lowerBound <= peak, `${standing}, ${lowerBound} of ${peak}`);
    assert.ok(peak < 1.3 * lowerBound, `${peak} is too far from ${lowerBound}`);
    assert.is(device.memory.onChange, undefined);
    assert.is(device.memoryUse.live, 0);
    assert.is(device.dispatches, 0);
    const training = { ...recipe.training, recompute: true };
    const less = measureStepMemory(device, { ...size, recipe: { ...recipe, training } });
    assert.is(less.standing, standing);
    assert.ok(less.lowerBound < lowerBound, `${less.lowerBound} instead of ${lowerBound}`);
  } finally {
    await device.close();
  }
});

test('the command prints a table and writes all figures', async () => {
  const json = join(temporaryFolder('bench'), 'bench.json');
  const { code, stdout, stderr } = await cim(
    ...['bench', '--driver', testDriver(), '--quick', '--filter', 'e.forward', '--json', json],
  );
  assert.is(code, 0, stderr);
  assert.match(stdout, /^Peak: .*\nitem +kernels +ms .*\n(?:.*\n)?e\.forward +conv\.\S+ (?:\+ \S+ )* *[\d.]+ /);
  const { adapter, timing, roofline, items } = JSON.parse(readFileSync(json, 'utf8'));
  assert.equal(Object.keys(roofline), ['multiplyAdd', 'load', 'store', 'dispatch', 'submit']);
  assert.ok(adapter.driver && timing);
  assert.is(items.length, 1);
  assert.equal(Object.keys(items[0]).sort(), [
    'bytes',
    'cold',
    'flops',
    'id',
    'kernels',
    'runsPerSample',
    'samples',
    'seconds',
    'title',
  ]);
  const unknown = await cim('bench', '--filter', 'nothing');
  assert.is(unknown.code, 1);
  assert.match(unknown.stderr, /^ConfigError: --filter nothing names nothing that is measured\./);
});

test.run();
