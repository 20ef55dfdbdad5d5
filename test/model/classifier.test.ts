/** Training of the classifier: passes, statistics and rates of its parts. */
import { meanFilter } from '@cim/kernels/pool/pool.reference';
import { Classifier } from '@cim/model/classify/classifier';
import { locatePeaks } from '@cim/model/peaks/index';
import { prmClassifier } from '@cim/model/prm/index';
import { Solver, type SolverConfig } from '@cim/model/solver/solver';
import { type ClassifierTraining, trainClassifier } from '@cim/model/train/train-classifier';
import { Generator, Tape } from '@cim/runtime';
import { expectClose, randomArray, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeSample, tinyConfig } from './samples.ts';

const test = suite('classifier');
const device = await testDevice();
const { classes } = tinyConfig;
const { pooling, training, solver } = prmClassifier({ weights: 'none', steps: 1 });
const backbone = { type: 'resnet', stemChannels: 6, planes: 3, blocks: [1, 1, 1], freezeAt: 0 } as const;
const samples = Array.from({ length: 6 }, (_, i) => makeSample(i, 48, 32));

/** All tensors of a classifier, before and after `steps` steps of the PRM program's training. */
async function trained(
  change: Partial<ClassifierTraining>,
  config: SolverConfig = solver,
): Promise<{ before: Map<string, Float32Array>; after: Map<string, Float32Array>; losses: number[] }> {
  const generator = new Generator(4);
  const classifier = new Classifier(device, { classes, backbone, pooling }, generator);
  const { parameters } = classifier;
  const state = new Solver(device, parameters, config);
  const read = async (): Promise<Map<string, Float32Array>> =>
    new Map(
      await Promise.all(
        [...parameters.tensors].map(
          async ([name, t]) => [name, Float32Array.from((await t.read()) as Float32Array)] as const,
        ),
      ),
    );
  const before = await read();
  const losses: number[] = [];
  const source = { count: samples.length, load: async (index: number) => samples[index] };
  await trainClassifier(device, classifier, state, source, generator, {
    ...training,
    batch: 5,
    imagesPerPass: 5,
    ...change,
    start: 0,
    savesAt: () => false,
    onStep: async ({ losses: { total } }) => void losses.push(total),
  });
  const after = await read();
  state.dispose();
  parameters.dispose();
  return { before, after, losses };
}

const isStatistic = (name: string): boolean => name.includes('running_');

test('with running statistics a batch in passes is the same batch', async () => {
  const whole = await trained({ statistics: 'running' });
  const parts = await trained({ statistics: 'running', imagesPerPass: 2 });
  expectClose(Float32Array.from(parts.losses), Float32Array.from(whole.losses), { relative: 1e-5, absolute: 0 });
  for (const [name, expected] of whole.after) {
    expectClose(parts.after.get(name)!, expected, { relative: 1e-5, absolute: 1e-6 });
    if (isStatistic(name)) assert.equal(expected, whole.before.get(name), `${name} stays`);
  }
});

test("with the batch's statistics the running ones follow it", async () => {
  const { before, after } = await trained({ statistics: 'batch' });
  for (const [name, values] of after) if (isStatistic(name)) assert.not.equal(values, before.get(name), name);
});

test('the pre-trained part learns a hundred times slower', async () => {
  // A rate that moves the weights far beyond their rounding.
  const fast: SolverConfig = { ...solver, schedule: { ...solver.schedule, baseLr: 100 } };
  const slow = await trained({ statistics: 'running' }, fast);
  const equal = await trained({ statistics: 'running' }, { ...fast, lrFactors: [] });
  const changes = ({ before, after }: typeof slow, name: string): Float32Array =>
    after.get(name)!.map((value, i) => value - before.get(name)![i]);
  for (const [name, factor] of [
    ['Conv_Body.res4.0.conv3.weight', 0.01],
    ['classifier.0.weight', 1],
    ['classifier.0.bias', 1],
  ] as const) {
    const expected = changes(equal, name).map((change) => factor * change);
    const largest = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    assert.ok(largest > 1e-5, `${name} changes by ${largest}`);
    expectClose(changes(slow, name), expected, { relative: 0, absolute: 0.01 * largest + 1e-7 });
  }
});

test('classes that are found have peaks above the threshold; those that are given have one at least', async () => {
  const classifier = new Classifier(device, { classes, backbone, pooling }, new Generator(2));
  const image = device.tensor(randomArray([3 * 48 * 64], 3), [1, 3, 48, 64]);
  assert.is(classifier.cellSize, 2);
  const given = await locatePeaks(device, classifier, image, { labels: [2, 0], threshold: 1e6 });
  assert.equal(
    given.peaks.map(({ classIndex }) => classIndex),
    [2, 0],
  );
  assert.equal([given.maps.height, given.maps.width], [24, 32]);
  assert.ok(given.peaks.every(({ row, column }) => row < 24 && column < 32));
  const found = await locatePeaks(device, classifier, image, { labels: null, threshold: -1e6 });
  const positive = [...found.scores.keys()].filter((c) => found.scores[c] >= 0);
  assert.equal([...new Set(found.peaks.map(({ classIndex }) => classIndex))], positive);
  const none = await locatePeaks(device, classifier, image, { labels: null, threshold: 1e6 });
  assert.equal(none.peaks, []);
  classifier.parameters.dispose();
});

test('cells of a log-sum-exp classifier lie at their pixels; a window takes their mean', async () => {
  const config = (peakWindow?: number) =>
    ({ classes, backbone, pooling: { type: 'log-sum-exp', sharpness: 4, peakWindow } }) as const;
  const [plain, windowed] = [undefined, 3].map((size) => new Classifier(device, config(size), new Generator(2)));
  const { stride } = plain.backbone;
  const image = device.tensor(randomArray([3 * 64 * 96], 3), [1, 3, 64, 96]);
  const pass = { tape: new Tape(device, { recording: false }), batchStatistics: false };
  const responses = plain.responses(pass, image);
  const [, , rows, columns] = responses.shape;
  const cells = await responses.read();
  for (const [classifier, expected] of [
    [plain, cells],
    [windowed, meanFilter(cells, { planes: classes, height: rows, width: columns, radius: 1 })],
  ] as const) {
    const maps = classifier.peakMaps(pass, image);
    const [, , height, width] = maps.shape;
    assert.equal([height, width], [(rows - 1) * stride + 1, (columns - 1) * stride + 1]);
    const pixels = await maps.read();
    const atCells = Float32Array.from(expected, (_, i) => {
      const [c, row, column] = [Math.floor(i / (rows * columns)), Math.floor(i / columns) % rows, i % columns];
      return pixels[(c * height + row * stride) * width + column * stride];
    });
    expectClose(atCells, expected);
    classifier.parameters.dispose();
  }
});

test.run();
