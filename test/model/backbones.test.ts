/** Every backbone has the published number of parameters, and the channels and stride it promises. */
import { type BackboneConfig, createBackbone, HRNET_NAMES, hrnet, resnet50, vgg16 } from '@cim/model/backbone/index';
import { createLayers, ImageNetClassifier, imageNetBackbones } from '@cim/model/classify/imagenet';
import { ParameterStore, type Scope } from '@cim/model/nn/parameters';
import { Generator, type Shape, sizeOf, Tape, type Tensor } from '@cim/runtime';
import { randomArray, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('backbones');

/** Takes down names and shapes instead of making tensors: the largest networks would fill half a gigabyte. */
class ShapeStore extends ParameterStore {
  readonly trained = new Map<string, boolean>();
  parameters = 0;

  constructor() {
    super(null as never, null);
  }
  override parameter(name: string, shape: Shape, _: unknown, trainable: boolean): Tensor {
    assert.not(this.trained.has(name), name);
    this.trained.set(name, trainable);
    this.parameters += sizeOf(shape);
    return { shape } as Tensor;
  }
  override buffer(_: string, shape: Shape): Tensor {
    return { shape } as Tensor;
  }
}

function shapesOf(build: (scope: Scope) => unknown): ShapeStore {
  const store = new ShapeStore();
  build(store.scope());
  return store;
}
const parametersOf = (config: BackboneConfig): number => shapesOf((scope) => createBackbone(scope, config)).parameters;

/** Of the whole classifier of 1000 classes, in millions (README of HRNet-Image-Classification). */
const PUBLISHED: Readonly<Record<(typeof HRNET_NAMES)[number], number>> = {
  w18_small_v1: 13.2,
  w18_small_v2: 15.6,
  w18: 21.3,
  w30: 37.7,
  w32: 41.2,
  w40: 57.6,
  w44: 67.1,
  w48: 77.5,
  w64: 128.1,
};
const ofClassifier = (backbone: BackboneConfig): number =>
  shapesOf((scope) => createLayers(scope, { backbone, classes: 1000 })).parameters;

for (const name of HRNET_NAMES) {
  test(`HRNet-${name} has ${PUBLISHED[name]} M parameters`, () => {
    const parameters = ofClassifier(hrnet(name));
    assert.is((parameters / 1e6).toFixed(1), String(PUBLISHED[name]));
    if (name === 'w48') assert.is(parameters, 77469864);
  });
}

test('ResNet-50 and VGG-16 have as many parameters as in torchvision', () => {
  assert.is(ofClassifier(resnet50({ stages: 4 })), 25557032);
  assert.is(ofClassifier(vgg16({ dilated: false })), 138357544);
  assert.is(parametersOf(resnet50()), 8543296);
  assert.is(parametersOf(vgg16()), 14714688);
});

test('frozen stages do not train, all others do', () => {
  const frozen = (config: BackboneConfig): string[] => {
    const { trained } = shapesOf((scope) => createBackbone(scope, config));
    assert.ok([...trained.values()].includes(true));
    return [...new Set([...trained].filter(([, trains]) => !trains).map(([name]) => name.split('.')[0]))];
  };
  assert.equal(frozen(resnet50()), ['res1', 'res2']);
  assert.equal(frozen(resnet50({ freezeAt: 0 })), []);
  assert.equal(frozen(vgg16({ freezeAt: 3 })), ['conv1', 'conv2', 'conv3']);
  assert.equal(frozen(hrnet('w18')), ['conv1', 'bn1', 'conv2', 'bn2', 'layer1', 'transition1', 'stage2']);
  for (const config of imageNetBackbones.values()) assert.equal(frozen(config), []);
});

const small: BackboneConfig[] = [
  { type: 'resnet', stemChannels: 4, planes: 2, blocks: [1, 1, 1], freezeAt: 0 },
  { type: 'resnet', stemChannels: 4, planes: 2, blocks: [1, 1, 1, 1], freezeAt: 0 },
  { type: 'vgg', channels: [2, 3, 4, 5, 6], dilated: true, freezeAt: 0 },
  { type: 'vgg', channels: [2, 3, 4, 5, 6], dilated: false, freezeAt: 0 },
];
for (const config of small) {
  test(`${JSON.stringify(config)}: features of an image of odd size`, async () => {
    const device = await testDevice();
    const [width, height] = [75, 70];
    const classifier = new ImageNetClassifier(device, { backbone: config, classes: 3 }, new Generator(1));
    const { backbone, parameters } = classifier;
    const image = device.tensor(randomArray([2 * 3 * height * width], 1), [2, 3, height, width]);
    const pass = { tape: new Tape(device, { recording: false }), batchStatistics: false };
    const round = config.type === 'vgg' ? Math.floor : Math.ceil;
    const expected = [2, backbone.channels, round(height / backbone.stride), round(width / backbone.stride)];
    const shape = device.scope(() => backbone.forward(pass, image).shape);
    assert.equal(shape, expected);
    assert.equal(
      device.scope(() => classifier.logits(pass, image).shape),
      [2, 3],
    );
    parameters.dispose();
    image.dispose();
  });
}

const hrnetOf = (freezeAt: 0 | 2): BackboneConfig => ({
  type: 'hrnet',
  stemChannels: 4,
  stage1: { blocks: 2, channels: 2 },
  stages: [
    { modules: 1, blocks: [1, 1], channels: [4, 6] },
    { modules: 2, blocks: [2, 1, 1], channels: [4, 6, 8] },
  ],
  head: { type: 'classification', channels: [2, 3, 4], finalChannels: 10 },
  freezeAt,
});
for (const config of [...small, hrnetOf(0), hrnetOf(2)]) {
  test(`${JSON.stringify(config)}: recomputed activations give the same gradients, to the bit`, async () => {
    const device = await testDevice();
    const store = new ParameterStore(device, new Generator(1));
    const backbone = createBackbone(store.scope(), config);
    const image = device.tensor(randomArray([2 * 3 * 35 * 40], 1), [2, 3, 35, 40]);
    const gradients = async (recompute: boolean) => {
      store.zeroGrad();
      device.scope(() => {
        const tape = new Tape(device);
        const y = backbone.forward({ tape, batchStatistics: false, recompute }, image);
        tape.backward(y, device.tensor(randomArray(y.shape, 2), y.shape));
      });
      return Promise.all(store.arenas.map((arena) => arena.gradients.read()));
    };
    const plain = await gradients(false);
    assert.ok(plain.every((values) => values.some((v) => v !== 0)));
    assert.equal(await gradients(true), plain);
    store.dispose();
    image.dispose();
  });
}

test.run();
