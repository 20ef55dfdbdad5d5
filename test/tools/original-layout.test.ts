/** From the original's folders, weights and labels to its results, by the commands that a user of it would give. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ResNet, type ResNetConfig } from '@cim/model/backbone/resnet';
import { ParameterStore } from '@cim/model/nn/parameters';
import { Generator } from '@cim/runtime';
import { testDevice } from '@cim/runtime/testing';
import { NdArray } from '@cim/tools/formats/ndarray';
import { readPickle } from '@cim/tools/formats/pickle';
import { writeTorch } from '@cim/tools/formats/torch';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cim } from './cim.ts';
import { temporaryFolder } from './tiny-run.ts';
import { TINY_NAMES, writeTinyVoc } from './tiny-voc.ts';

const test = suite('original layout');
const root = join(temporaryFolder('layout'), 'data');
const voc = join(root, 'VOC2012');
const out = join(root, '../runs/points');

const backbone: ResNetConfig = { type: 'resnet', stemChannels: 8, planes: 2, blocks: [1, 1, 1], freezeAt: 2 };
const recipe = [
  '--preset',
  'resnet50_voc_point',
  '--set',
  `backbone=${JSON.stringify(backbone)}`,
  'cim.region={channels: 4, hidden: 8}',
  'training={steps: 2, imagesPerStep: 2, view: {type: resize, sizes: [48, 64]}}',
  'solver.schedule.warmupSteps=1',
  'test.scales=[48, 64]',
];

/** torchvision's names of a backbone's weights. */
const torchvisionName = (name: string): string =>
  name
    .replace(/^res1\.0\./, 'conv1.')
    .replace(/^res1\.1\./, 'bn1.')
    .replace(/^res(\d)\./, (_, stage) => `layer${Number(stage) - 1}.`);

async function writeWeights(path: string): Promise<void> {
  const store = new ParameterStore(await testDevice(), new Generator(7));
  new ResNet(store.scope(), backbone);
  const state = new Map<string, NdArray>();
  for (const [name, tensor] of store.tensors) {
    state.set(
      torchvisionName(name),
      new NdArray('float32', tensor.shape, (await tensor.read()) as Float32Array<ArrayBuffer>),
    );
  }
  store.dispose();
  await writeTorch(path, state);
}

/** Runs a command that must succeed. */
async function succeed(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cim(...args);
  assert.is(code, 0, `cim ${args.join(' ')}: ${stderr}`);
  return stdout + stderr;
}

test.before(async () => {
  await writeTinyVoc(voc);
  mkdirSync(join(voc, 'Center_points'));
  const points = { [TINY_NAMES[0]]: '7 6 0 0.9\n17 12 14 0.8\n', [TINY_NAMES[1]]: '6 4 14 1\n20 13 1 1\n' };
  for (const [name, lines] of Object.entries(points)) writeFileSync(join(voc, `Center_points/${name}.txt`), lines);
  writeFileSync(join(voc, `Center_points/${TINY_NAMES[2]}.txt`), '5 10 9 1\n');
  mkdirSync(join(root, 'model_weight'));
  await writeWeights(join(root, 'model_weight/resnet50-0676ba61.pth'));
});

test('cim data fills the layout', async () => {
  await cim('data', 'voc', '--root', root, '--proposals', 'make');
  for (const file of ['COB_SBD_trainaug', 'COB_SBD_val', 'annotations/voc_2012_trainaug.json']) {
    assert.ok(existsSync(join(voc, file)), file);
  }
});

test('cim train starts from published weights, on points and the proposals of the layout', async () => {
  const said = await succeed('train', '--data', voc, '--out', out, ...recipe);
  assert.match(said, /resnet50-0676ba61\.pth: torchvision’s ResNet; \d+ weights loaded/);
  assert.not(existsSync(join(out, 'classifier.safetensors')), 'points need no classifier');
});

test('cim infer writes what test_net.py writes, and cim eval and cim label read it', async () => {
  await succeed('infer', '--data', voc, '--out', out, '--split', 'train', '--pickle');
  await succeed('infer', '--data', voc, '--out', out, '--pickle');
  const found = (await readPickle(join(out, 'detections.pkl'))) as Map<string, Map<string, Map<string, unknown>>>;
  const [[image, { size }]] = found.get('all_boxes')!;
  assert.ok(image.endsWith(`${TINY_NAMES[3]}.jpg`));
  assert.is(size, 2, 'scores and boxes');

  const gt = join(voc, 'annotations/voc_2012_val.json');
  const [scores, results] = [join(out, 'eval-scores.json'), join(out, 'eval-results.json')];
  await succeed('eval', '--gt', gt, '--dt', join(out, 'detections.pkl'), '--proposals', voc, '--json', scores);
  await succeed('eval', '--gt', gt, '--dt', join(out, 'results-val.json'), '--json', results);
  const statsOf = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8')).stats;
  assert.equal(statsOf(scores), statsOf(results), 'the pickle holds the same detections');

  const labels = join(out, 'msrcnn_pseudo_label.json');
  const discovery = ['--results', join(out, 'discovery.pkl'), '--proposals', voc, '--data', voc];
  await succeed('label', ...discovery, '--split', 'trainaug', '--threshold', '0', '--out', labels);
  const { images, annotations } = JSON.parse(readFileSync(labels, 'utf8'));
  assert.is(images.length, 3);
  assert.ok(annotations.length > 0 && Array.isArray(annotations[0].segmentation.counts));
});

test('a checkpoint becomes one of the original, and comes back', async () => {
  const original = join(out, 'model_step1.pth');
  await succeed('convert', join(out, 'cim.safetensors'), original);
  const again = join(root, '../runs/again');
  mkdirSync(again, { recursive: true });
  await succeed('convert', original, join(again, 'cim.safetensors'), '--data', voc, ...recipe);
  await succeed('infer', '--data', voc, '--out', again, ...recipe);
  assert.is(readFileSync(join(again, 'results-val.json'), 'utf8'), readFileSync(join(out, 'results-val.json'), 'utf8'));
});

test.run();
