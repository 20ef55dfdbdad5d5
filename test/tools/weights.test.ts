/** Published weights find their places in our networks, whatever they are called. */
import { join } from 'node:path';
import type { BackboneConfig } from '@cim/model/backbone/index';
import { Cim } from '@cim/model/cim';
import { Classifier } from '@cim/model/classify/classifier';
import { ImageNetClassifier } from '@cim/model/classify/imagenet';
import type { ParameterStore } from '@cim/model/nn/parameters';
import { prmResnetKey, recogniseWeights, torchvisionResnetKey } from '@cim/model/weights/published';
import { Generator } from '@cim/runtime';
import { testDevice } from '@cim/runtime/testing';
import { CheckpointError } from '@cim/tools/errors';
import { NdArray } from '@cim/tools/formats/ndarray';
import { type Torchable, writeTorch } from '@cim/tools/formats/torch';
import { describeLoaded, loadPublishedWeights, reportLines } from '@cim/tools/weights/published';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { tinyBackbones, tinyNetworkRecipe } from './tiny-networks.ts';
import { temporaryFolder } from './tiny-run.ts';

const test = suite('published weights');
const device = await testDevice();
const folder = temporaryFolder('weights');
const path = join(folder, 'weights.pth');

const cimOf = (backbone: BackboneConfig): ParameterStore =>
  new Cim(device, { ...tinyNetworkRecipe(backbone).cim, backbone, classes: 3 }, new Generator(1)).parameters;

/** Other values than those in a network, by the names that the file has. */
function contentFor(parameters: ParameterStore, keyOf: (name: string) => string | null): Map<string, NdArray> {
  const content = new Map<string, NdArray>();
  let value = 0;
  for (const [name, { shape, size }] of parameters.tensors) {
    const key = keyOf(name);
    if (key === null) continue;
    const data = Float32Array.from({ length: size }, () => (value += 0.25) % 1000);
    content.set(key, new NdArray('float32', shape, data));
    const counter = new NdArray('int64', [], BigInt64Array.of(7n));
    if (key.endsWith('running_var')) content.set(key.replace('running_var', 'num_batches_tracked'), counter);
  }
  return content;
}

const array = (...shape: number[]): NdArray =>
  new NdArray('float32', shape, new Float32Array(shape.reduce((a, b) => a * b, 1)));

/** Loads, and checks that every named tensor has the values of its key. */
async function assertLoads(
  parameters: ParameterStore,
  keyOf: (name: string) => string | null,
  {
    wrap = (key: string) => key,
    extra = {},
    around = (state) => state,
  }: {
    wrap?: (key: string) => string;
    extra?: Record<string, NdArray>;
    around?: (state: Torchable) => Torchable;
  } = {},
) {
  const content = contentFor(parameters, keyOf);
  const all = [...content, ...Object.entries(extra)].map(([key, value]) => [wrap(key), value] as const);
  await writeTorch(path, around(new Map(all)));
  const report = await loadPublishedWeights(parameters, path);
  for (const [name, { key }] of report.loaded.map((entry) => [entry.name, entry] as const)) {
    const expected = content.get([...content.keys()].find((known) => wrap(known) === key)!)!;
    assert.equal([...(await parameters.tensors.get(name)!.read())], [...(expected.data as Float32Array)], name);
  }
  const named = [...parameters.tensors.keys()].filter((name) => keyOf(name) !== null);
  assert.equal(report.loaded.map(({ name }) => name).sort(), named.sort());
  assert.is(report.loaded.length + report.skipped.length, all.length);
  assert.equal(
    report.missing,
    [...parameters.tensors.keys()].filter((name) => keyOf(name) === null),
  );
  return report;
}

const backboneName = (name: string): string | null => /^Conv_Body\.(.+)$/.exec(name)?.[1] ?? null;
const reasonsOf = (report: { skipped: readonly { key: string; reason: string }[] }, key: RegExp): string[] =>
  report.skipped.filter((entry) => key.test(entry.key)).map(({ reason }) => reason);

test("torchvision's ResNet: the last stage and the classifier are skipped where the network has none", async () => {
  const keyOf = (name: string): string | null => {
    const inner = backboneName(name);
    return inner === null ? null : torchvisionResnetKey(inner);
  };
  const parameters = cimOf(tinyBackbones.resnet);
  const extra = { 'layer4.0.conv1.weight': array(1), 'fc.weight': array(10, 8), 'fc.bias': array(10) };
  const report = await assertLoads(parameters, keyOf, { extra });
  assert.is(report.title, 'torchvision’s ResNet');
  assert.equal(reasonsOf(report, /^layer4/), ['the network has no Conv_Body.res5.0.conv1.weight']);
  assert.equal(reasonsOf(report, /^fc/), ['the network has no fc.weight', 'the network has no fc.bias']);
  assert.is(reasonsOf(report, /num_batches_tracked$/).length, report.skipped.length - 3);
  assert.match(
    describeLoaded(report),
    /weights\.pth: torchvision’s ResNet; \d+ weights loaded, \d+ skipped, \d+ of the/,
  );
  const lines = reportLines(report);
  assert.is(lines[0], 'loaded   conv1.weight [4,3,7,7] → Conv_Body.res1.0.weight');
  assert.ok(lines.includes('missing  Box_Head.mask_branch.0.weight'));
  parameters.dispose();
});

test("torchvision's names, as they are published", () => {
  const names = {
    'conv1.weight': 'res1.0.weight',
    'bn1.running_mean': 'res1.1.running_mean',
    'layer1.0.downsample.1.bias': 'res2.0.downsample.1.bias',
    'layer2.3.conv3.weight': 'res3.3.conv3.weight',
    'layer4.2.bn2.weight': 'res5.2.bn2.weight',
  };
  const published = recogniseWeights([...Object.keys(names), 'layer1.0.conv1.weight'])!;
  for (const [key, name] of Object.entries(names)) {
    assert.equal(published.target(key), { backbone: name });
    assert.is(torchvisionResnetKey(name), key);
  }
});

/** Places of VGG-16's convolutions in `features`. */
const VGG_FEATURES: Record<string, number> = {
  'conv1.0': 0,
  'conv1.2': 2,
  'conv2.0': 5,
  'conv2.2': 7,
  'conv3.0': 10,
  'conv3.2': 12,
  'conv3.4': 14,
  'conv4.0': 17,
  'conv4.2': 19,
  'conv4.4': 21,
  'conv5.0': 24,
  'conv5.2': 26,
  'conv5.4': 28,
};

for (const wrap of [(key: string) => key, (key: string) => `0.${key}`, (key: string) => `module.${key}`]) {
  test(`VGG-16: ${wrap('features.0.weight')}`, async () => {
    const parameters = cimOf(tinyBackbones.vgg);
    const keyOf = (name: string): string | null =>
      backboneName(name)?.replace(/^conv\d\.\d/, (conv) => `features.${VGG_FEATURES[conv]}`) ?? null;
    const classifiers = ['classifier.0.weight', 'classifier.0.bias', 'classifier.3.weight', 'classifier.3.bias'];
    const extra = Object.fromEntries(classifiers.map((key) => [key, array(2)]));
    const report = await assertLoads(parameters, keyOf, { wrap, extra });
    assert.is(report.loaded.length, 26);
    assert.equal(new Set(reasonsOf(report, /classifier/)), new Set(['a fully connected layer of ImageNet’s VGG-16']));
    parameters.dispose();
  });
}

test('HRNet: names as they are; the classifier only where there is one', async () => {
  const parameters = cimOf(tinyBackbones.hrnet);
  const extra = { 'classifier.weight': array(10, 8), 'classifier.bias': array(10) };
  const report = await assertLoads(parameters, backboneName, { extra });
  assert.equal(reasonsOf(report, /^classifier/), [
    'the network has no classifier.weight',
    'the network has no classifier.bias',
  ]);
  parameters.dispose();

  const imageNet = new ImageNetClassifier(device, { classes: 10, backbone: tinyBackbones.hrnet }, new Generator(1));
  await assertLoads(imageNet.parameters, (name) => name);
  imageNet.parameters.dispose();
});

for (const [title, wrap, around] of [
  ['in the Sequential that it is saved as', (key: string) => key, (state: Torchable) => state],
  ['by itself, under "model"', (key: string) => key.slice(2), (state: Torchable) => ({ model: state, epoch: 3 })],
  ['in DataParallel', (key: string) => `module.${key}`, (state: Torchable) => state],
] as const) {
  test(`PRM's ResNet, ${title}`, async () => {
    const backbone: BackboneConfig = { ...tinyBackbones.resnet, blocks: [1, 1, 1, 1] };
    const config = { classes: 3, backbone, pooling: { type: 'peak-stimulation', upsampling: 8 } } as const;
    const { parameters } = new Classifier(device, config, new Generator(1));
    const report = await assertLoads(parameters, prmResnetKey, { wrap, around });
    assert.equal(report.missing, []);
    parameters.dispose();
  });
}

test("PRM's names, as they are saved", () => {
  assert.is(prmResnetKey('Conv_Body.res1.0.weight'), '0.features.0.weight');
  assert.is(prmResnetKey('Conv_Body.res1.1.running_var'), '0.features.1.running_var');
  assert.is(prmResnetKey('Conv_Body.res2.0.conv1.weight'), '0.features.4.0.conv1.weight');
  assert.is(prmResnetKey('Conv_Body.res5.2.bn3.bias'), '0.features.7.2.bn3.bias');
  assert.is(prmResnetKey('classifier.0.weight'), '0.classifier.0.weight');
});

test('a checkpoint of CIM is taken as far as it goes', async () => {
  const parameters = cimOf(tinyBackbones.resnet);
  const isThere = (name: string): string | null => (name.includes('refine_iou') ? null : name);
  const around = (state: Torchable) => ({ step: 4, model: state, optimizer: { state: {}, param_groups: [] } });
  const report = await assertLoads(parameters, isThere, { around, extra: { 'Conv_Body.classifier.weight': array(2) } });
  assert.is(report.title, 'a checkpoint of CIM');
  assert.equal(reasonsOf(report, /classifier\.weight$/), ['the classifier of ImageNet']);
  parameters.dispose();
});

test('weights of half precision are widened', async () => {
  const parameters = cimOf(tinyBackbones.resnet);
  const name = 'cls_iou_model.classifier.bias';
  const half = new NdArray('float16', [4], Uint16Array.of(0x3c00, 0xc000, 0x3800, 0));
  await writeTorch(path, { [name]: half, 'Conv_Body.x': array(1) });
  await loadPublishedWeights(parameters, path);
  assert.equal([...(await parameters.tensors.get(name)!.read())], [1, -2, 0.5, 0]);
  parameters.dispose();
});

test('what does not fit is refused, and nothing is loaded', async () => {
  const parameters = cimOf(tinyBackbones.resnet);
  const before = await parameters.tensors.get('Conv_Body.res1.0.weight')!.read();
  const complete = contentFor(parameters, (name) => {
    const inner = backboneName(name);
    return inner === null ? null : torchvisionResnetKey(inner);
  });
  const without = new Map([...complete].filter(([key]) => key !== 'layer3.0.bn2.weight'));
  const misshapen = new Map([...complete, ['conv1.weight', array(4, 3, 3, 3)] as const]);
  const cases: [Torchable, RegExp][] = [
    [without, /lacks 1 weights of the backbone: Conv_Body\.res4\.0\.bn2\.weight/],
    [misshapen, /Conv_Body\.res1\.0\.weight: \[4,3,3,3\] in the file, \[4,3,7,7\] in the model/],
    [{ encoder: array(2), decoder: array(3) }, /holds weights of no known network: encoder, decoder/],
    [{ 'Conv_Body.other': array(2) }, /holds no weight of this network/],
    [{ epoch: 3, net: { a: array(1) } }, /holds no state dict: its entries are epoch, net/],
    [[1, 2], /holds no state dict: it is no dict/],
  ];
  for (const [content, message] of cases) {
    await writeTorch(path, content);
    const error = await rejection(loadPublishedWeights(parameters, path));
    assert.instance(error, CheckpointError);
    assert.match(error.message, message);
    assert.match(error.message, path);
    assert.ok(error.remedy);
  }
  assert.equal(await parameters.tensors.get('Conv_Body.res1.0.weight')!.read(), before);
  parameters.dispose();
});

test.run();
