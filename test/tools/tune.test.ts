/** `cim tune`, `--tuning`, and the kernels.json of a run. */
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HEURISTIC, ReportedError } from '@cim/runtime';
import { cacheFolder } from '@cim/runtime/platform/software/cache';
import { testDevice, testDriver } from '@cim/runtime/testing';
import { parseTable } from '@cim/runtime/tune/entry';
import { writeDemoDataset } from '@cim/tools/demo-data/write';
import { ConfigError } from '@cim/tools/errors';
import { prepareAndTrain } from '@cim/tools/pipeline/run';
import { readChoices } from '@cim/tools/tune/choices';
import { operationsOf } from '@cim/tools/tune/operations';
import { tuneSummary, tuneTable } from '@cim/tools/tune/print';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { cim } from './cim.ts';
import { openTinyRun, temporaryFolder, tinyRecipe } from './tiny-run.ts';

const test = suite('cim tune');
const folder = temporaryFolder('tune');
const device = await testDevice();
const size = { width: 32, height: 24, proposals: 5, classes: 3 };

test('all operations of a recipe are found without running one, each class once, most work first', async () => {
  const dispatches = device.dispatches;
  const before = device.memoryUse.live;
  const operations = operationsOf(device, { ...size, recipe: await tinyRecipe() });
  assert.is(device.dispatches, dispatches);
  assert.is(device.memoryUse.live, before);
  const work = operations.map(({ operation: { flops }, calls }) => flops * calls);
  assert.equal(
    work,
    [...work].sort((a, b) => b - a),
  );
  const keys = operations.map(({ operation: { key } }) => key);
  assert.is(new Set(keys).size, keys.length);
  const families = new Set(operations.map(({ operation: { family } }) => family));
  assert.equal([...families].sort(), ['conv.forward', 'conv.inputGradient', 'conv.weightGradient', 'gemm']);
  assert.ok(keys.includes('conv.weightGradient-3-12-3x3-s2-p1-d1-n2-768px'), 'the first layer in training');
});

/** A cache folder with the drivers of the user's, but without its tuning. */
function emptyCache(): string {
  const cache = join(folder, 'cache');
  mkdirSync(cache);
  for (const name of readdirSync(cacheFolder())) {
    if (name !== 'tuning' && !name.startsWith('.')) symlinkSync(join(cacheFolder(), name), join(cache, name));
  }
  return cache;
}

test('what is tuned is kept, exported, used, and not tuned again', async () => {
  const table = join(folder, 'table.json');
  process.env.CIM_CACHE = emptyCache();
  const settings = ['--size', '24x32', '--proposals', '5', '--classes', '3', '--driver', testDriver()];
  const recipe = ['--set', 'cim.region={channels: 4, hidden: 8, fuseMasks: false}', 'classifier.training.steps=0'];
  const backbone = 'backbone={type: residual, stemChannels: 4, stages: [{channels: 4, blocks: 1, stride: 2}]}';
  const run = () => cim('tune', ...settings, ...recipe, backbone, 'test.flip=false', '--export', table);
  const first = await run();
  assert.is(first.code, 0, first.stderr + first.stdout);
  assert.match(first.stdout, /^operation +calls +estimated best +ms +winner +ms +gain$/m);
  assert.match(first.stdout, /^All calls: /m);
  const { entries, environment } = parseTable(readFileSync(table, 'utf8'), table);
  assert.is(environment.driver, device.adapter.driver);
  assert.ok(Object.keys(entries).length > 10);
  for (const [key, { winner }] of Object.entries(entries)) {
    assert.ok(first.stdout.includes(key), key);
    assert.ok(winner);
  }
  const second = await run();
  assert.is(second.code, 0, second.stderr);
  assert.is(second.stdout, first.stdout);
});

test('the table shows gains, the summary what is wrong', () => {
  const [name] = ['gemm.blocked.32x32x4x4'];
  const operation = { key: 'k', family: 'gemm' } as never;
  const entry = {
    ...{ family: 'gemm', shape: {}, heuristic: 'gemm.lanes.16x4', winner: name },
    candidates: {
      'gemm.lanes.16x4': { status: 'timed', hash: '', seconds: 0.004 },
      'gemm.blocked.32x32x4x4': { status: 'timed', hash: '', seconds: 0.002 },
      'gemm.bad': { status: 'wrong', hash: '', message: 'element 3 is 4, not 5' },
      'gemm.endless': { status: 'timeout', hash: '', seconds: 20 },
    },
  } as const;
  assert.match(
    tuneTable([{ operation, calls: 3, entry }]),
    /^k +3 +lanes.16x4 +4.00 +blocked.32x32x4x4 +2.00 +2.00×$/m,
  );
  assert.equal(tuneSummary([{ operation, calls: 3, entry }]), [
    'All calls: 0.012 s as estimated, 0.006 s tuned, 2.00 times faster',
    'k: gemm.bad wrong: element 3 is 4, not 5',
    'k: gemm.endless was not done after 20 s',
  ]);
});

test('a run says which kernels it used, and keeps to them', async () => {
  const data = join(folder, 'data');
  await writeDemoDataset(data, { train: 4, val: 1, width: 64, height: 64 });
  const run = await openTinyRun(data, join(folder, 'run'));
  await prepareAndTrain(run, run.train.images);
  const used = readChoices(run.folder.kernels);
  assert.ok(Object.keys(used).length > 10);
  assert.ok(Object.values(used).every((name) => name === HEURISTIC));
  assert.equal(device.variants.used, used);
});

test('a file that is none, or names kernels that do not exist, is a typed error that names the file', async () => {
  const file = join(folder, 'choices.json');
  const write = (choices: unknown, version = 1): void =>
    writeFileSync(file, JSON.stringify({ format: 'cim-kernel-choices', version, choices }));
  write({ 'gemm-nn-1x1x1': 'gemm.blocked.32x32x4x4', 'gemm-nn-2x1x1': HEURISTIC });
  assert.equal(readChoices(file), { 'gemm-nn-1x1x1': 'gemm.blocked.32x32x4x4', 'gemm-nn-2x1x1': HEURISTIC });
  const refused = async (...words: string[]): Promise<void> => {
    const error = await rejection(() => readChoices(file));
    assert.instance(error, ReportedError);
    for (const word of [file, ...words]) assert.ok(error.message.includes(word), error.message);
    assert.ok(error.remedy);
  };
  write({ 'gemm-nn-1x1x1': 'gemm.fastest' });
  await refused('gemm-nn-1x1x1', '"gemm.fastest"');
  const { code, stderr } = await cim('step', '--recipe', 'small', '--tuning', file);
  assert.is(code, 1);
  assert.match(stderr, 'gemm.fastest');
  write({}, 2);
  await refused();
  writeFileSync(file, '{');
  await refused();
  const missing = await rejection(() => readChoices(join(folder, 'none.json')));
  assert.instance(missing, ConfigError);
  assert.match(missing.message, 'none.json');
});

test.run();
