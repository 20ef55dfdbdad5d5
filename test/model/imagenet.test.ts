/** Image classifiers: the views they see, the ranks of classes, gradients of VGG's head. */
import type { BackboneConfig } from '@cim/model/backbone/index';
import { ImageNetClassifier } from '@cim/model/classify/imagenet';
import { ranks, topK } from '@cim/model/classify/imagenet-accuracy';
import { centreView, cropView, drawCrop, networkInput } from '@cim/model/classify/imagenet-input';
import { Generator, type Parameter, Tape } from '@cim/runtime';
import { expectClose, randomArray, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('imagenet model');

test('ranks: of equal classes the lower one comes first, and what is not a number comes last', () => {
  const logits = [
    [1, 3, 2, 3],
    [1, 3, 2, 3],
    [0, 0, 0, 0],
    [0, 0, 0, 0],
    [NaN, 1, NaN, 2],
    [NaN, 1, NaN, 2],
    [-Infinity, -Infinity, 5, Infinity],
  ];
  const labels = [1, 3, 0, 3, 0, 1, 1];
  const found = ranks(logits.flat(), labels);
  assert.equal(found, [0, 1, 0, 3, 3, 1, 3]);
  assert.is(topK(found, 1), (100 * 2) / 7);
  assert.is(topK(found, 2), (100 * 4) / 7);
  assert.is(topK(found, 5), 100);
});

test('random crops lie in the image, cover 8 to 100 % of it and are as wide as high, or nearly', () => {
  const generator = new Generator(3);
  const image = { width: 500, height: 375 };
  const crops = Array.from({ length: 500 }, () => drawCrop(generator, image));
  for (const { left, top, width, height } of crops) {
    assert.ok(left >= 0 && top >= 0 && left + width <= image.width && top + height <= image.height);
    const aspect = width / height;
    assert.ok(aspect > 0.74 && aspect < 1.35, `${aspect}`);
  }
  const areas = crops.map(({ width, height }) => (width * height) / (image.width * image.height));
  assert.ok(Math.min(...areas) > 0.078 && Math.min(...areas) < 0.1);
  assert.ok(Math.max(...areas) > 0.85);
  const mean = areas.reduce((a, b) => a + b) / areas.length;
  assert.ok(mean > 0.42 && mean < 0.58, `${mean}`);
  assert.ok(crops.some(({ left }) => left === 0) || crops.some(({ left }) => left > 100));
});

test('where no random crop fits, the central one within the aspects is taken', () => {
  assert.equal(drawCrop(new Generator(1), { width: 1000, height: 3 }), { left: 498, top: 0, width: 4, height: 3 });
  assert.equal(drawCrop(new Generator(1), { width: 3, height: 1000 }), { left: 0, top: 498, width: 3, height: 4 });
  assert.equal(drawCrop(new Generator(1), { width: 1, height: 1 }), { left: 0, top: 0, width: 1, height: 1 });
});

/** Each pixel tells its column, its row, and 7. */
const positions = (width: number, height: number) => ({
  width,
  height,
  rgb: Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3);
    return [pixel % width, Math.floor(pixel / width), 7][i % 3];
  }),
});

test('a crop of its own size is the part itself, mirrored if asked for', () => {
  const crop = { left: 5, top: 2, width: 4, height: 4 };
  const image = positions(11, 9);
  for (const flip of [false, true]) {
    const { rgb } = cropView(image, crop, { size: 4, flip });
    const columns = flip ? [8, 7, 6, 5] : [5, 6, 7, 8];
    assert.equal(
      [...rgb],
      [2, 3, 4, 5].flatMap((row) => columns.flatMap((column) => [column, row, 7])),
    );
  }
});

test('the test view is the centre of the image scaled to 8/7 of the view', () => {
  const size = 28;
  // The shorter side is 32 already: nothing is resampled.
  const view = centreView(positions(51, 32), size);
  assert.equal([view.width, view.height], [size, size]);
  assert.equal([...view.rgb.slice(0, 3)], [12, 2, 7]); // 11.5 rounds to even
  assert.equal([...view.rgb.slice(-3)], [12 + size - 1, 2 + size - 1, 7]);
  const large = centreView(positions(64, 100), 224);
  assert.equal([large.width, large.height, large.rgb.length], [224, 224, 224 * 224 * 3]);
});

test('network input is normalised channel by channel', () => {
  const view = { width: 2, height: 1, rgb: Uint8Array.of(0, 51, 255, 128, 0, 102) };
  const plain = [0, 128 / 255, 0.2, 0, 1, 0.4];
  const expected = plain.map((v, i) => (v - [0.485, 0.456, 0.406][i >> 1]) / [0.229, 0.224, 0.225][i >> 1]);
  expectClose(networkInput([view, view]), [...expected, ...expected]);
});

const networks: BackboneConfig[] = [
  { type: 'vgg', channels: [2, 2, 2, 2, 2], dilated: false, freezeAt: 0 },
  { type: 'resnet', stemChannels: 2, planes: 1, blocks: [1, 1, 1], freezeAt: 0 },
];
for (const config of networks) {
  test(`the gradient of the loss at the last layers of a ${config.type} is that of finite differences`, async () => {
    const device = await testDevice();
    const classifier = new ImageNetClassifier(device, { backbone: config, classes: 3 }, new Generator(5));
    classifier.initialise(new Generator(5));
    const { parameters } = classifier;
    for (const [name, weight] of parameters.tensors) {
      if (name.startsWith('classifier')) weight.write(randomArray([weight.size], 4, -0.2, 0.2));
    }
    const images = device.tensor(randomArray([2 * 3 * 64 * 64], 6, -2, 2), [2, 3, 64, 64]);
    const labels = device.tensor(Uint32Array.of(2, 0));
    const lossOf = async (learn: boolean): Promise<number> => {
      const tape = new Tape(device, { recording: learn });
      const { losses } = device.scope(() => {
        const result = classifier.loss(tape, images, labels, (layer) => 11 + layer);
        if (learn) tape.backward();
        return result;
      });
      const values = await losses.read();
      return (values[0] + values[1]) / 2;
    };
    parameters.zeroGrad();
    await lossOf(true);
    const names =
      config.type === 'vgg' ? ['classifier.0.weight', 'classifier.3.bias', 'classifier.6.weight'] : ['fc.weight'];
    for (const name of names) {
      const parameter = parameters.tensors.get(name) as Parameter;
      const gradient = await parameter.grad.read();
      const start = Float32Array.from(await parameter.read());
      const direction = randomArray([start.length], 8);
      const step = 0.002;
      const moved = async (sign: number): Promise<number> => {
        parameter.write(start.map((value, i) => value + sign * step * direction[i]));
        return lossOf(false);
      };
      const numeric = ((await moved(1)) - (await moved(-1))) / (2 * step);
      parameter.write(start);
      const analytic = direction.reduce((sum, d, i) => sum + d * gradient[i], 0);
      assert.ok(Math.abs(analytic) > 1e-4, `${name} ${analytic}`);
      expectClose([analytic], [numeric], { relative: 2e-2, absolute: 2e-3 }, name);
    }
    parameters.dispose();
    images.dispose();
    labels.dispose();
  });
}

test.run();
