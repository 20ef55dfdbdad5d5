import { Classifier } from '@cim/model/classify/classifier';
import { peakResponses } from '@cim/model/peaks/index';
import { Solver } from '@cim/model/solver/solver';
import { Generator, isParameter, Tape } from '@cim/runtime';
import { randomArray, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { tinyConfig, tinySolver } from './samples.ts';

const test = suite('peak responses');
const device = await testDevice();
const { classes, backbone } = tinyConfig;
const make = (pooling: Classifier['config']['pooling']): Classifier =>
  new Classifier(device, { classes, backbone, pooling }, new Generator(5));

test('a peak lights up what its cell can see, and nothing else', async () => {
  const classifier = make({ type: 'log-sum-exp', sharpness: 4 });
  const [height, width] = [40, 48];
  const image = device.tensor(randomArray([3 * height * width], 1), [1, 3, height, width]);
  const maps = await peakResponses(device, classifier, image, [
    { classIndex: 1, row: 9, column: 13 },
    { classIndex: 0, row: 35, column: 39 },
  ]);
  assert.is(maps.length, 2);
  for (const [i, map] of maps.entries()) {
    const total = map.reduce((a, b) => a + b, 0);
    assert.ok(Math.abs(total - 1) < 1e-4, `the sum is ${total}`);
    assert.ok(map.every((v) => v >= 0));
    // The centre of mass lies near the peak, in pixels.
    const rows = map.reduce((sum, v, p) => sum + v * Math.floor(p / width), 0);
    const columns = map.reduce((sum, v, p) => sum + v * (p % width), 0);
    const [row, column] = [
      [9, 13],
      [35, 39],
    ][i];
    assert.ok(Math.hypot(rows - row, columns - column) < 6, `centre ${rows}, ${columns} of peak at ${row}, ${column}`);
    assert.is(map[height * width - 1 - i * (height * width - 1)], 0, 'a far corner stays dark');
  }
  assert.not.ok([...classifier.parameters.tensors.values()].some((t) => isParameter(t) && t.touched));
  classifier.parameters.dispose();
});

test('peak stimulation trains a classifier', async () => {
  const classifier = make({ type: 'peak-stimulation', upsampling: 1 });
  const solver = new Solver(device, classifier.parameters, tinySolver);
  const size = 24;
  const pixels = size * size;
  // Every image has the colour of its class.
  const data = randomArray([classes * 3 * pixels], 2, -0.2, 0.2);
  for (let c = 0; c < classes; c++) for (let p = 0; p < pixels; p++) data[(c * 3 + c) * pixels + p] += 2;
  const images = device.tensor(data, [classes, 3, size, size]);
  const targets = device.tensor(
    Float32Array.from({ length: classes * classes }, (_, i) => Number(i % (classes + 1) === 0)),
    [classes, classes],
  );
  const losses: number[] = [];
  for (let step = 0; step < 40; step++) {
    classifier.parameters.zeroGrad();
    const loss = device.scope(() => {
      const tape = new Tape(device);
      const { loss } = classifier.loss(tape, images, targets);
      tape.backward();
      return loss;
    });
    solver.step(step);
    losses.push((await loss.read())[0]);
    loss.dispose();
  }
  assert.ok(losses.at(-1)! < 0.5 * losses[0], `from ${losses[0]} to ${losses.at(-1)}`);
});

test.run();
