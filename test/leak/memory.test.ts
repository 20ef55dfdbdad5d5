/** Nothing grows over training steps, whatever the sizes of images. */
import { Cim } from '@cim/model/cim';
import { Solver } from '@cim/model/solver/solver';
import { trainCim } from '@cim/model/train/train-cim';
import { Generator } from '@cim/runtime';
import { testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeSample, tinyConfig, tinySolver } from '../model/samples.ts';

const test = suite('memory');
const device = await testDevice();

test('500 steps of changing image sizes', async () => {
  const generator = new Generator(2);
  const before = device.memoryUse.live;
  const cim = new Cim(device, { ...tinyConfig, branches: 1 }, generator);
  const solver = new Solver(device, cim.parameters, tinySolver);
  const sizes = new Generator(3);
  const samples = Array.from({ length: 40 }, (_, i) => makeSample(i, 24 + sizes.integer(60), 24 + sizes.integer(60)));
  const live: number[] = [];
  const reserved: number[] = [];
  await trainCim(device, cim, solver, { count: samples.length, load: async (index) => samples[index] }, generator, {
    steps: 500,
    imagesPerStep: 1,
    imagesPerPass: 1,
    view: { type: 'jitter', brightness: 0, offset: 0, channel: 0 },
    start: 0,
    // Settled at every 50th step, so that what is alive is the model alone.
    savesAt: (step) => step % 50 === 49,
    onStep: async ({ step }) => {
      if (step % 50 !== 49) return;
      live.push(device.memoryUse.live);
      reserved.push(device.memoryUse.reserved);
    },
  });
  assert.is(new Set(live).size, 1, `live bytes change: ${live}`);
  // All sizes have been seen after 100 steps.
  assert.is(reserved.at(-1), reserved[1], `reserved bytes grow: ${reserved}`);
  solver.dispose();
  cim.parameters.dispose();
  assert.is(device.memoryUse.live, before);
});

test.run();
