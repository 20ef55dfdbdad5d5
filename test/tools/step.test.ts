import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Cim } from '@cim/model/cim';
import { presets } from '@cim/model/recipe/presets';
import { Device, Generator } from '@cim/runtime';
import { testDevice, testDriver } from '@cim/runtime/testing';
import { type LazySafeTensor, writeSafetensors } from '@cim/tools/formats/safetensors';
import { type NetworkSize, type StepOptions, type StepReport, trainSteps } from '@cim/tools/step/step';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { cim } from './cim.ts';
import { temporaryFolder } from './tiny-run.ts';

const test = suite('step');
const recipe = {
  ...presets.small,
  cim: { ...presets.small.cim, region: { channels: 9, hidden: 70, fuseMasks: true } },
};
const options = { recipe, classes: 5, width: 40, height: 31, proposals: 6, weights: 'deterministic', steps: 2 };

async function run(
  device: Device,
  chosen: StepOptions = options,
): Promise<{ network: NetworkSize; reports: StepReport[] }> {
  const networks: NetworkSize[] = [];
  const reports: StepReport[] = [];
  await trainSteps(device, chosen, {
    onNetwork: (size) => networks.push(size),
    onStep: (report) => reports.push(report),
  });
  return { network: networks[0], reports };
}

test('losses of a step do not depend on what a binding can hold', async () => {
  const sharding = await Device.open({ driver: testDriver(), maxBinding: 80 * 1024 });
  try {
    const [one, many] = [await run(await testDevice()), await run(sharding)];
    assert.equal(one.network.sharded, []);
    assert.equal(
      many.network.sharded.map(({ name, weight }) => [name, weight.shards.length]),
      [['Box_Head.seg_fc.0.weight', 2]],
    );
    assert.is(many.network.parameters, one.network.parameters);
    assert.is(many.reports.length, 2);
    many.reports.forEach(({ losses }, step) => {
      for (const [name, value] of Object.entries(losses)) {
        const expected = one.reports[step].losses[name];
        assert.ok(Math.abs(value - expected) <= 1e-4 * Math.abs(expected), `step ${step}: ${name} ${value}`);
      }
    });
    assert.ok(many.reports[0].losses.bag > many.reports[1].losses.bag);
    assert.is(sharding.memoryUse.live, 0);
  } finally {
    await sharding.close();
  }
});

test('weights come from a file', async () => {
  const device = await testDevice();
  const path = join(temporaryFolder('step'), 'weights.safetensors');
  const { parameters } = new Cim(device, { ...recipe.cim, classes: 5, backbone: recipe.backbone }, new Generator(4));
  const state = [...parameters.stateDict()].map(
    ([name, tensor]) => [name, { dtype: 'F32', ...tensor } as LazySafeTensor] as const,
  );
  await writeSafetensors(path, {}, state);
  parameters.dispose();
  const { network, reports } = await run(device, { ...options, weights: path, steps: 1 });
  assert.match(network.loaded!, `${state.length} weights loaded, 0 skipped, 0 of the network not in it`);
  assert.ok(Object.values(reports[0].losses).every(Number.isFinite));
});

test('the command prints size, losses, times and memory', async () => {
  const { code, stdout, stderr } = await cim(
    ...['step', '--driver', testDriver(), '--recipe', 'small', '--size', '32x40', '--proposals', '4'],
  );
  assert.is(code, 0, stderr);
  assert.match(stdout, /^small: [\d.]+ million parameters, [\d.]+ million trained; made in [\d.]+ s\n/);
  assert.match(stdout, /\nlosses: bag [\d.]+, .*\nseconds: forward [\d.]+, backward [\d.]+, solver [\d.]+\n/);
  assert.match(stdout, /\nmemory at most: GPU [\d.]+ GiB, process [\d.]+ GiB\n$/);
});

test('the trace is that of one step, which kernels fill', async () => {
  const trace = join(temporaryFolder('step'), 'trace.json');
  const { code, stderr } = await cim(
    ...['step', '--driver', testDriver(), '--recipe', 'small', '--size', '32x40', '--proposals', '4', '--trace', trace],
  );
  assert.is(code, 0, stderr);
  assert.match(stderr, /None ran for [\d.]+ ms in all, [\d.]+ ms at once, before [\w.]+\.\n/);
  const { traceEvents } = JSON.parse(readFileSync(trace, 'utf8')) as { traceEvents: { name: string }[] };
  const count = (name: string): number => traceEvents.filter((event) => event.name === name).length;
  assert.is(count('roi.align'), 1);
  assert.is(count('roi.alignBackward'), 1);
});

test('what the command cannot do is said', async () => {
  const size = await cim('step', '--recipe', 'small', '--size', 'big');
  assert.is(size.code, 1);
  assert.match(size.stderr, /128x160/);
  const missing = join(temporaryFolder('step'), 'none.safetensors');
  const hooks = { onNetwork: () => {}, onStep: () => {} };
  const error = await rejection(trainSteps(await testDevice(), { ...options, weights: missing }, hooks));
  assert.match(error.message, /none\.safetensors: there is no such file/);
});

test.run();
