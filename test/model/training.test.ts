import { Cim } from '@cim/model/cim';
import { Solver } from '@cim/model/solver/solver';
import { NonFiniteLossError, type StepReport } from '@cim/model/train/loop';
import type { HostSample } from '@cim/model/train/sample';
import { trainCim } from '@cim/model/train/train-cim';
import { Generator } from '@cim/runtime';
import { testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { makeSample, tinyConfig, tinySolver } from './samples.ts';

const test = suite('training');
const device = await testDevice();
const view = { type: 'jitter', brightness: 0.2, offset: 0.05, channel: 0.05 } as const;

/** Trains a tiny network and returns what every step reported. */
async function train(steps: number, samples: readonly (HostSample | null)[], baseLr = 3e-3): Promise<StepReport[]> {
  const generator = new Generator(1);
  const cim = new Cim(device, tinyConfig, generator);
  const solver = new Solver(device, cim.parameters, { ...tinySolver, schedule: { ...tinySolver.schedule, baseLr } });
  const reports: StepReport[] = [];
  try {
    await trainCim(device, cim, solver, { count: samples.length, load: async (index) => samples[index] }, generator, {
      steps,
      imagesPerStep: 2,
      imagesPerPass: 2,
      view,
      start: 0,
      savesAt: () => false,
      onStep: async (report) => void reports.push(report),
    });
  } finally {
    solver.dispose();
    cim.parameters.dispose();
  }
  return reports;
}

const samples = Array.from({ length: 4 }, (_, i) => makeSample(i, 48, 40));

test('the loss of a few samples falls', async () => {
  const reports = await train(40, samples);
  const mean = (part: StepReport[]): number => part.reduce((sum, { losses }) => sum + losses.total, 0) / part.length;
  const [first, last] = [mean(reports.slice(0, 5)), mean(reports.slice(-5))];
  assert.ok(last < 0.8 * first, `from ${first} to ${last}`);
});

test('the same seed gives the same losses, bit for bit', async () => {
  assert.equal(await train(4, samples), await train(4, samples));
});

test('samples that cannot be used are passed over', async () => {
  const reports = await train(2, [null, samples[1], null]);
  assert.is(reports.length, 2);
});

test('a loss that is not finite stops the training and names its parts and the image', async () => {
  const failure = await rejection(train(6, samples, 1e30));
  assert.instance(failure, NonFiniteLossError);
  assert.match(failure.message, /made-up \d.*bag .*pcl .*cls .*iou /);
});

test.run();
