/** Image classifiers on folders of classes: what the folder may be, training, resuming, accuracy. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BackboneConfig } from '@cim/model/backbone/index';
import { Classifier } from '@cim/model/classify/classifier';
import { ImageNetClassifier } from '@cim/model/classify/imagenet';
import { classifyImages } from '@cim/model/classify/imagenet-accuracy';
import { centreView } from '@cim/model/classify/imagenet-input';
import { torchvisionResnetKey } from '@cim/model/weights/published';
import { Generator } from '@cim/runtime';
import { randomArray, testDevice } from '@cim/runtime/testing';
import { CheckpointError, DataError } from '@cim/tools/errors';
import { NdArray } from '@cim/tools/formats/ndarray';
import { writeTorch } from '@cim/tools/formats/torch';
import { checkFolderClasses, readImageFolder } from '@cim/tools/imagenet/image-folder';
import { evaluateImageNet, imageNetFolder, trainImageNetStage } from '@cim/tools/imagenet/imagenet';
import { type ImageNetChoices, imageNetRecipe } from '@cim/tools/imagenet/recipe';
import { loadImageNetWeights } from '@cim/tools/imagenet/weights';
import { decodeImage } from '@cim/tools/images/decode';
import { encodePng } from '@cim/tools/images/png';
import { readCheckpoint } from '@cim/tools/pipeline/checkpoint';
import { loadPublishedWeights } from '@cim/tools/weights/published';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { cim } from './cim.ts';
import { temporaryFolder } from './tiny-run.ts';

const test = suite('imagenet');
const device = await testDevice();
const root = temporaryFolder('imagenet');
const data = join(root, 'data');
const CLASSES = ['blue', 'green', 'red'];
const IMAGES = 4;

/** Each class has its colour, under noise and in every size. */
function writeImage(file: string, label: number, seed: number): void {
  const [width, height] = [34 + 3 * seed, 45 - 2 * seed];
  const noise = randomArray([width * height * 3], seed, 0, 120);
  const rgb = Uint8Array.from(noise, (value, i) => value + (i % 3 === 2 - label ? 100 : 0));
  writeFileSync(file, encodePng({ width, height, rgb }));
}
for (const split of ['train', 'val']) {
  CLASSES.forEach((name, label) => {
    const folder = join(data, split, name);
    mkdirSync(folder, { recursive: true });
    for (let i = 0; i < IMAGES; i++) writeImage(join(folder, `${i}.png`), label, i + (split === 'val' ? 5 : 0));
  });
}
mkdirSync(join(data, 'train', 'red', 'more'));
copyFileSync(join(data, 'train', 'red', '0.png'), join(data, 'train', 'red', 'more', '9.PNG'));
writeFileSync(join(data, 'train', 'red', 'notes.txt'), 'not an image');

const tiny: BackboneConfig = {
  type: 'hrnet',
  stemChannels: 8,
  stage1: { blocks: 1, channels: 4 },
  stages: [
    { modules: 1, blocks: [1, 1], channels: [4, 8] },
    { modules: 1, blocks: [1, 1, 1], channels: [4, 8, 16] },
  ],
  head: { type: 'classification', channels: [4, 8, 16], finalChannels: 32 },
  freezeAt: 0,
};
const choices: ImageNetChoices = {
  epochs: 10,
  batch: 6,
  lr: 0.1,
  schedule: 'cosine',
  imageSize: 32,
  seed: 1,
  weights: null,
};
const warnings: string[] = [];
const report = {
  progress: () => ({ advance: () => {}, stop: () => {} }),
  info: () => {},
  warn: (message: string) => warnings.push(message),
};
const run = async (out: string, changes: Partial<ImageNetChoices> = {}) => {
  const train = await readImageFolder(data, 'train');
  const recipe = imageNetRecipe('tiny', tiny, train.images.length, { ...choices, ...changes });
  return { device, out, recipe, train, report, strict: false };
};

/** Every tensor of a checkpoint: name and values. */
async function weightsIn(out: string): Promise<[string, string][]> {
  const { model } = await readCheckpoint(imageNetFolder(out).imagenet, 'imagenet');
  const values = [...model].map(async ([name, tensor]): Promise<[string, string]> => {
    assert.ok('read' in tensor);
    return [name, String(await tensor.read())];
  });
  return Promise.all(values);
}

test('classes are the folders in order, images those below them', async () => {
  const { classes, images } = await readImageFolder(data, 'train');
  assert.equal(classes, CLASSES);
  assert.equal(
    images.map(({ label }) => label),
    [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2],
  );
  assert.ok(images[12].file.endsWith(join('red', 'more', '9.PNG')));
});

test('folders that are no data set are refused with what is wrong', async () => {
  const cases: [string, RegExp][] = [
    [join(root, 'nowhere'), /nowhere.*there is no such file or folder/],
    [join(root, 'flat'), /flat.*holds no folders/],
    [join(root, 'hollow'), /1 of the 2 class folders of .*hollow.* hold no image: cat\./],
  ];
  mkdirSync(join(root, 'flat', 'train'), { recursive: true });
  mkdirSync(join(root, 'hollow', 'train', 'cat'), { recursive: true });
  mkdirSync(join(root, 'hollow', 'train', 'dog'), { recursive: true });
  copyFileSync(join(data, 'train', 'red', '0.png'), join(root, 'hollow', 'train', 'dog', '0.png'));
  for (const [folder, message] of cases) {
    const error = await rejection(readImageFolder(folder, 'train'));
    assert.instance(error, DataError);
    assert.match(error.message, message);
  }
  const val = await readImageFolder(data, 'val');
  assert.throws(() => checkFolderClasses(val, ['blue', 'green', 'pink'], 'train'), /only there: red; not there: pink/);
});

test('a tiny HRNet learns three classes, starts a network, and a resumed training ends with the same weights', async () => {
  const whole = join(root, 'whole');
  const curve = await trainImageNetStage(await run(whole));
  const mean = (part: typeof curve): number => part.reduce((sum, { losses }) => sum + losses.total, 0) / part.length;
  assert.is(curve.length, 22);
  assert.ok(mean(curve.slice(-4)) < 0.35 * mean(curve.slice(0, 2)), `${curve.map(({ losses }) => losses.total)}`);

  const classifier = new ImageNetClassifier(device, { backbone: tiny, classes: 3 }, null);
  await loadImageNetWeights(imageNetFolder(whole).imagenet, classifier, CLASSES, report);
  const options = { batch: 5, imageSize: 32, report, strict: true };
  for (const split of ['train', 'val'] as const) {
    const folder = await readImageFolder(data, split);
    const accuracy = await evaluateImageNet(device, classifier, folder, options);
    assert.equal(accuracy, { images: folder.images.length, top1: 100, top5: 100 });
  }
  classifier.parameters.dispose();

  const network = new Classifier(
    device,
    { classes: 2, backbone: tiny, pooling: { type: 'log-sum-exp', sharpness: 1 } },
    new Generator(1),
  );
  const { loaded, missing } = await loadPublishedWeights(network.parameters, imageNetFolder(whole).imagenet);
  assert.equal(missing, ['classifier.0.weight', 'classifier.0.bias']);
  assert.is(loaded.length, network.parameters.tensors.size - 2);
  network.parameters.dispose();

  const broken = await run(join(root, 'broken'));
  let steps = 0;
  const stop = (): void => {
    if (++steps === 11) throw new Error('killed');
  };
  const killed = { ...report, progress: () => ({ advance: stop, stop: () => {} }) };
  assert.match((await rejection(trainImageNetStage({ ...broken, report: killed }))).message, /killed/);
  const resumed = await trainImageNetStage(broken);
  assert.is(steps, 11);
  assert.equal(resumed, curve);
  const [expected, actual] = await Promise.all([whole, broken.out].map(weightsIn));
  assert.ok(expected.length > 0);
  assert.equal(actual, expected);

  const wrong = await rejection(
    loadImageNetWeights(imageNetFolder(whole).imagenet, classifier, ['a', 'b', 'c'], report),
  );
  assert.instance(wrong, CheckpointError);
  assert.match(wrong.message, /trained for other classes/);
});

/** Names in torchvision's files of what is called otherwise here. */
const published: readonly [BackboneConfig, (name: string) => string][] = [
  [{ type: 'resnet', stemChannels: 2, planes: 1, blocks: [1, 1, 1, 1], freezeAt: 0 }, torchvisionResnetKey],
  [
    { type: 'vgg', channels: [2, 2, 2, 2, 2], dilated: false, freezeAt: 0 },
    (name) =>
      name.replace(/^conv(\d)\.(\d)/, (_, block: string, place: string) => {
        return `features.${[0, 5, 10, 17, 24][Number(block) - 1] + Number(place)}`;
      }),
  ],
  [tiny, (name) => name],
];
for (const [backbone, nameIn] of published) {
  test(`published weights of a ${backbone.type} are loaded whole, or not at all`, async () => {
    const one = new ImageNetClassifier(device, { backbone, classes: 3 }, new Generator(1));
    const tensors: [string, NdArray][] = [];
    for (const [name, { shape, read }] of one.parameters.stateDict()) {
      tensors.push([nameIn(name), new NdArray('float32', shape, Float32Array.from(await read()))]);
    }
    const file = join(root, `${backbone.type}.pth`);
    await writeTorch(file, new Map(tensors));
    const other = new ImageNetClassifier(device, { backbone, classes: 3 }, new Generator(2));
    await loadImageNetWeights(file, other, CLASSES, report);
    const [{ images }] = [await readImageFolder(data, 'val')];
    const views = [centreView(await decodeImage(images[0].file), 64)];
    assert.equal(await classifyImages(device, other, views), await classifyImages(device, one, views));

    const part = join(root, `${backbone.type}-part.pth`);
    await writeTorch(part, new Map(tensors.filter(([name]) => !/^fc|^classifier/.test(name))));
    const error = await rejection(loadImageNetWeights(part, other, CLASSES, report));
    assert.instance(error, CheckpointError);
    assert.match(error.message, /lacks \d weights of the classifier: (fc|classifier)/);
    for (const { parameters } of [one, other]) parameters.dispose();
  });
}

test('a model, schedule or folder that does not exist ends the command', async () => {
  const common = ['--data', data, '--out', join(root, 'never')];
  const model = await cim('imagenet', 'train', '--model', 'hrnet_w19', ...common);
  assert.is(model.code, 1);
  assert.match(model.stderr, /no model "hrnet_w19"[\s\S]*hrnet_w18\b/);
  const folder = await cim('imagenet', 'eval', '--model', 'hrnet_w18', '--data', root, '--weights', 'x');
  assert.match(folder.stderr, /Cannot read .*val: there is no such file or folder/);
});

test.run();
