/** Labels of proposals: from points, what they remember, and as pickles. */
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assignClusters } from '@cim/model/assign/index';
import { compactClusters, expandClusters, readClusters } from '@cim/tools/assign/clusters';
import { readLabelPickle, writeLabelPickle } from '@cim/tools/assign/label-pickle';
import { writeDemoDataset } from '@cim/tools/demo-data/write';
import { NdArray } from '@cim/tools/formats/ndarray';
import { readPickle, writePickle } from '@cim/tools/formats/pickle';
import { insideSize } from '@cim/tools/images/size';
import { exportLabels, importLabels } from '@cim/tools/pipeline/assign';
import { prepareAndTrain, type Run } from '@cim/tools/pipeline/run';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { openTinyRun, temporaryFolder, tinyRecipe } from './tiny-run.ts';

const test = suite('assign');
const folder = temporaryFolder('assign');
const data = join(folder, 'data');
const out = join(folder, 'points');
const settings = ['workingSize=64', 'labels.source=points'];
const recipe = await tinyRecipe(...settings);
const open = (path = out, given = recipe) => openTinyRun(data, path, { recipe: given });

/** Two points an image, in pixels of the file: of its first label and of its last. */
const points = (run: Run, id: number): readonly (readonly [x: number, y: number, classIndex: number])[] => {
  const { labels } = run.train.images.find((image) => image.id === id)!;
  return [
    [20.7, 30.2, labels[0]],
    [90, 50, labels.at(-1)!],
  ];
};

test.before(async () => {
  await writeDemoDataset(data, { seed: 5, train: 4, val: 2, width: 128, height: 80 });
  mkdirSync(join(data, 'Center_points'));
  const run = await open(join(folder, 'unused'));
  for (const { id, fileName } of run.train.images) {
    const lines = points(run, id).map(([x, y, c]) => `${x} ${y} ${c} 0.9`);
    writeFileSync(join(data, 'Center_points', fileName.replace('.jpg', '.txt')), lines.join('\n'));
  }
  const [{ fileName }] = run.train.images;
  writeFileSync(join(data, 'Center_points', fileName.replace('.jpg', '.txt')), '');
});

test('a run on points: clusters around the points, in their order, train the network', async () => {
  const run = await open();
  const { trainingCurve } = await prepareAndTrain(run, [...run.train.images, ...run.val.images]);
  assert.is(trainingCurve.length, 4);
  assert.equal(run.told.warnings, []);
  const clusters = await readClusters(run.folder.labels, recipe, run.classes);
  assert.equal(
    [...clusters.keys()],
    run.train.images.map(({ id }) => id),
  );
  for (const [i, entry] of run.train.images.entries()) {
    const image = (await run.images.load(entry, insideSize(64)))!;
    assert.equal([image.width, image.height], [64, 40]);
    const { masks } = (await run.proposals.load(entry, image))!.network;
    const peaks = points(run, entry.id).map(([x, y, classIndex]) => ({
      classIndex,
      row: Math.floor(Math.trunc(y) / 2),
      column: Math.floor(Math.trunc(x) / 2),
    }));
    const { averageThreshold, iouThreshold } = recipe.labels;
    const options = { numClasses: run.classes.length, averageThreshold, iouThreshold };
    const expected = assignClusters(masks, i === 0 ? [] : peaks, options);
    assert.equal(expandClusters(clusters.get(entry.id)!, run.classes.length + 1), expected);
  }
});

test('labels remember what they were made with', async () => {
  const run = await open();
  const other = { ...recipe, labels: { ...recipe.labels, averageThreshold: 0.25 } };
  const failure = await rejection(readClusters(run.folder.labels, other, run.classes));
  assert.match(String(failure), /DataError: .*made with labels\.averageThreshold = 0\.45, now it is 0\.25/);
  const fewer = await rejection(readClusters(run.folder.labels, recipe, run.classes.slice(1)));
  assert.match(String(fewer), /DataError: .*made for other classes/);
  // The network's own settings do not matter.
  await readClusters(run.folder.labels, { ...recipe, seed: 9, cim: { ...recipe.cim, branches: 2 } }, run.classes);
});

test('pickles have the layout of the original, out and in', async () => {
  const run = await open();
  const pickle = join(folder, 'label_assign', 'labels.pkl');
  await exportLabels(run, pickle);
  const value = (await readPickle(pickle)) as Map<string, unknown>;
  assert.equal([...value.keys()], ['indexes', 'mat', 'score']);
  assert.equal(
    value.get('indexes'),
    run.train.images.map(({ id }) => id),
  );
  assert.equal(value.get('score'), []);
  const [, second] = value.get('mat') as NdArray[];
  const clusters = await readClusters(run.folder.labels, recipe, run.classes);
  assert.is(second.dtype, 'float32');
  assert.equal(second.shape, [clusters.get(run.train.images[1].id)!.length / 2, run.classes.length + 1]);

  const copy = await open(join(folder, 'imported'));
  await importLabels(copy, pickle);
  assert.ok(readFileSync(copy.folder.labels).equals(readFileSync(run.folder.labels)));
  assert.match(String(await rejection(importLabels(copy, pickle))), /ConfigError: The run has labels/);
});

test('labels of other proposals stop the training', async () => {
  const run = await open(join(folder, 'mismatch'));
  const path = join(folder, 'mismatch.pkl');
  const ids = run.train.images.map(({ id }) => id);
  const columns = run.classes.length + 1;
  await writeLabelPickle(path, new Map(ids.map((id) => [id, Uint16Array.of(0, 1)])), columns);
  await importLabels(run, path);
  const failure = await rejection(prepareAndTrain(run, run.train.images));
  assert.match(String(failure), /DataError: .* labels 1 proposals of .*, which has \d+/);
});

test('pickles of anything else are refused', async () => {
  const path = join(folder, 'bad.pkl');
  const message = async (value: Parameters<typeof writePickle>[1]): Promise<string> => {
    await writePickle(path, value);
    return String(await rejection(readLabelPickle(path, 3)));
  };
  const matrix = (shape: [number, number], data: number[]): NdArray =>
    new NdArray('float32', shape, Float32Array.from(data));
  assert.match(await message([1]), /not a dict with the lists/);
  assert.match(await message({ indexes: [1, 2], mat: [], score: [] }), /lists "indexes" and "mat" of one length/);
  assert.match(await message({ indexes: ['a'], mat: [matrix([1, 3], [0, 1, 0])] }), /image id 0 is not a whole number/);
  assert.match(await message({ indexes: [4], mat: [matrix([1, 2], [0, 1])] }), /image 4 have 2 columns, not 3/);
  assert.match(await message({ indexes: [4], mat: [matrix([1, 3], [0, 0.5, 0])] }), /no cluster numbers/);
  assert.match(await message({ indexes: [4], mat: [matrix([1, 3], [0, 1, 2])] }), /in two clusters/);
  await writePickle(path, { indexes: [4], mat: [matrix([2, 3], [0, 1, 0, 0, 0, 0])], score: [] });
  assert.equal(await readLabelPickle(path, 3), new Map([[4, Uint16Array.of(1, 1, 0, 0)]]));
});

test('compact clusters are the same clusters', () => {
  const clusters = Float32Array.of(0, 0, 3, 0, 0, 0, 1, 0, 0);
  assert.equal([...compactClusters(clusters, 3)], [2, 3, 0, 0, 0, 1]);
  assert.equal(expandClusters(compactClusters(clusters, 3), 3), clusters);
});

test('a file of labels that was altered is refused', async () => {
  const run = await open();
  const path = join(folder, 'altered.safetensors');
  copyFileSync(run.folder.labels, path);
  const bytes = readFileSync(path);
  bytes.fill(0xff, bytes.length - 2 * (run.classes.length + 1));
  writeFileSync(path, bytes);
  assert.match(String(await rejection(readClusters(path, recipe, run.classes))), /holds no clusters/);
  rmSync(path);
  assert.match(String(await rejection(readClusters(path, recipe, run.classes))), /altered\.safetensors/);
});

test.run();
