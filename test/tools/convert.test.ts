/** `cim convert`: checkpoints of the original and ours, and files to look at. */
import { deepStrictEqual } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BackboneConfig } from '@cim/model/backbone/index';
import { Cim } from '@cim/model/cim';
import { Solver } from '@cim/model/solver/solver';
import { optimizerGroups } from '@cim/model/weights/original-optimizer';
import { Generator } from '@cim/runtime';
import { testDevice } from '@cim/runtime/testing';
import { convertFile } from '@cim/tools/convert/convert';
import { ConfigError } from '@cim/tools/errors';
import { NdArray } from '@cim/tools/formats/ndarray';
import { readSafetensors } from '@cim/tools/formats/safetensors';
import { readTorch, TorchTensor, writeTorch } from '@cim/tools/formats/torch';
import { readCheckpoint, saveCheckpoint } from '@cim/tools/pipeline/checkpoint';
import { loadWeights } from '@cim/tools/pipeline/checkpoint-content';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { cim } from './cim.ts';
import { tinyBackbones, tinyNetworkRecipe } from './tiny-networks.ts';
import { temporaryFolder } from './tiny-run.ts';

const test = suite('convert');
const device = await testDevice();
const folder = temporaryFolder('convert');
const fixture = (name: string): string => fileURLToPath(new URL(`../golden/formats/${name}`, import.meta.url));
const classes = [
  { id: 1, name: 'cat' },
  { id: 2, name: 'dog' },
];

/** A network and its solver, whose moments are set to numbers of their own. */
async function network(backbone: BackboneConfig): Promise<{ model: Cim; solver: Solver }> {
  const recipe = tinyNetworkRecipe(backbone);
  const model = new Cim(device, { ...recipe.cim, backbone, classes: classes.length }, new Generator(5));
  const solver = new Solver(device, model.parameters, recipe.solver);
  let value = 0;
  const moments = [...solver.stateDict()].map(([name, { shape }]) => {
    const size = shape.reduce((a, b) => a * b, 1);
    return [name, { shape, data: Float32Array.from({ length: size }, () => (value += 0.5) % 1000) }] as const;
  });
  await solver.restore(new Map(moments), 2.5e-4);
  return { model, solver };
}

for (const [type, backbone] of Object.entries(tinyBackbones)) {
  test(`${type}: a run's checkpoint becomes the original's, and that a run's again`, async () => {
    const recipe = tinyNetworkRecipe(backbone);
    const { model, solver } = await network(backbone);
    const [ours, original, back] = ['ours.safetensors', 'model_step2499.pth', 'back.safetensors'].map((name) =>
      join(folder, `${type}-${name}`),
    );
    const generator = new Generator(3);
    await saveCheckpoint(ours, { kind: 'cim', step: 2500, recipe, classes }, model.parameters, solver, generator);
    const report = await convertFile(ours, original);
    assert.equal(report.notes, []);

    const value = (await readTorch(original)) as Map<string, unknown>;
    assert.equal([...value.keys()], ['step', 'batch_size', 'model', 'optimizer']);
    assert.equal([value.get('step'), value.get('batch_size')], [2499, 1]);
    const state = value.get('model') as Map<string, TorchTensor>;
    assert.equal(
      [...state.keys()].filter((name) => !name.endsWith('num_batches_tracked')),
      [...model.parameters.tensors.keys()],
    );
    const optimizer = value.get('optimizer') as Map<string, unknown>;
    const groups = optimizer.get('param_groups') as Map<string, unknown>[];
    assert.equal(
      groups.map((group) => [group.get('lr'), group.get('weight_decay'), group.get('momentum')]),
      [
        [2.5e-4, 5e-4, 0.9],
        [5e-4, 0, 0.9],
      ],
    );
    const names = optimizerGroups(state.keys(), backbone);
    assert.equal(
      groups.map((group) => (group.get('params') as number[]).length),
      names.map((group) => group.length),
    );
    const momenta = optimizer.get('state') as Map<number, Map<string, TorchTensor>>;
    const trained = [...solver.stateDict().keys()].map((name) => name.replace('momentum.', ''));
    assert.equal([...momenta.keys()].map((i) => names.flat()[i]).sort(), trained.sort());

    await convertFile(original, back, { recipe, classes });
    const [before, after] = [await readSafetensors(ours), await readSafetensors(back)];
    assert.equal([...after.tensors.keys()].sort(), [...before.tensors.keys()].sort());
    for (const [name, tensor] of before.tensors) deepStrictEqual(after.tensors.get(name), tensor, name);
    assert.equal({ ...after.metadata, generator: '' }, { ...before.metadata, generator: '' });

    const resumed = await network(backbone);
    const checkpoint = await readCheckpoint(back, 'cim');
    await loadWeights(checkpoint, resumed.model.parameters);
    await resumed.solver.restore(checkpoint.solver, checkpoint.lr);
    for (const used of [solver, resumed.solver]) used.dispose();
    for (const used of [model, resumed.model]) used.parameters.dispose();
  });
}

test('an optimizer of other parameters is left out, and said so', async () => {
  const { model, solver } = await network(tinyBackbones.vgg);
  const state = new Map<string, NdArray>();
  for (const [name, tensor] of model.parameters.tensors) {
    state.set(name, new NdArray('float32', tensor.shape, new Float32Array(tensor.size).fill(2)));
  }
  const group = { lr: 0.1, params: [0, 1, 2] };
  const from = join(folder, 'other.pth');
  const to = join(folder, 'other.safetensors');
  const run = { recipe: tinyNetworkRecipe(tinyBackbones.vgg), classes };
  await writeTorch(from, { step: 9, model: state, optimizer: { state: new Map(), param_groups: [group] } });
  const { notes } = await convertFile(from, to, run);
  assert.match(notes[0], /optimizer has 3 parameters, the network \d+: momentum starts at 0/);
  const checkpoint = await readCheckpoint(to, 'cim');
  assert.equal([checkpoint.step, checkpoint.lr], [10, 0.1]);
  for (const tensor of checkpoint.solver.values())
    assert.ok([...((await tensor.read()) as Float32Array)].every((x) => x === 0));

  await writeTorch(from, state);
  const mere = await convertFile(from, to, run);
  assert.match(mere.notes.join(' '), /no optimizer state.*says no step: the training counts as finished/);
  assert.is((await readCheckpoint(to, 'cim')).step, run.recipe.training.steps);
  solver.dispose();
  model.parameters.dispose();
});

test('any .pth goes through .safetensors and comes back the same', async () => {
  for (const name of ['state_dict_zip.pth', 'checkpoint_legacy.pth']) {
    const [between, back] = [join(folder, 'a.safetensors'), join(folder, 'a.pth')];
    await convertFile(fixture(name), between);
    await convertFile(between, back);
    deepStrictEqual(await inMemory(await readTorch(back)), await inMemory(await readTorch(fixture(name))));
  }
});

async function inMemory(value: unknown): Promise<unknown> {
  if (value instanceof TorchTensor) return new NdArray(value.dtype, value.shape, await value.read());
  if (value instanceof Map) {
    const entries: [unknown, unknown][] = [];
    for (const [key, item] of value) entries.push([key, await inMemory(item)]);
    return new Map(entries);
  }
  return Array.isArray(value) ? Promise.all(value.map(inMemory)) : value;
}

test('arrays to look at', async () => {
  const json = join(folder, 'labels.json');
  await convertFile(fixture('label_assign.pkl'), json);
  const labels = JSON.parse(readFileSync(json, 'utf8')) as {
    indexes: number[];
    mat: { dtype: string; shape: number[] }[];
  };
  assert.equal(labels.indexes, [2010000000, 2010000002, 2010000003]);
  assert.equal([labels.mat[0].dtype, labels.mat[0].shape], ['float32', [40, 21]]);
  const masks = join(folder, 'masks.safetensors');
  const { arrays } = await convertFile(fixture('voc_maskmat_logical.mat'), masks);
  assert.equal(arrays.at(-1), { name: 'extra', dtype: 'float64', shape: [2, 3] });
  assert.equal((await readSafetensors(masks)).tensors.get('maskmat.4')?.shape, [53, 70]);
});

test('the command prints names, types and shapes, and where weights would go', async () => {
  const out = join(folder, 'cli.safetensors');
  const converted = await cim('convert', fixture('checkpoint.pth'), out);
  assert.is(converted.code, 0, converted.stderr);
  assert.match(converted.stdout, /model\.fc1\.weight +float32 +\[7, 5\]/);
  assert.match(converted.stdout, /11 arrays: .*cli\.safetensors\n$/);

  const weights = join(folder, 'resnet.pth');
  const one = new NdArray('float32', [1], Float32Array.of(1));
  await writeTorch(weights, { 'layer1.0.conv1.weight': one, 'fc.bias': one });
  const inspected = await cim('convert', weights, '--inspect');
  assert.is(inspected.code, 0, inspected.stderr);
  assert.match(inspected.stdout, /layer1\.0\.conv1\.weight float32 \[1\] → Conv_Body\.res2\.0\.conv1\.weight/);
  assert.match(inspected.stdout, /torchvision’s ResNet, 2 tensors\n$/);

  for (const [args, message] of [
    [[fixture('checkpoint.pth')], /no name to write to/],
    [[fixture('checkpoint.pth'), out, '--preset', 'resnet50_voc'], /Give --data, and --preset or --cfg/],
  ] as const) {
    const failed = await cim('convert', ...args);
    assert.is(failed.code, 1);
    assert.match(failed.stderr, message);
  }
});

test('endings that are unknown are refused before anything is read', async () => {
  for (const [from, to, message] of [
    ['a.onnx', 'b.pth', /a\.onnx cannot be read: it ends in "\.onnx"/],
    ['a.pth', 'b.mat', /b\.mat cannot be written: it ends in "\.mat"/],
  ] as const) {
    const error = await rejection(convertFile(from, to));
    assert.instance(error, ConfigError);
    assert.match(error.message, message);
  }
});

test.run();
