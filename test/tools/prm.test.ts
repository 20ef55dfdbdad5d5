/** Peak response mapping from images to pictures, on a tiny ResNet and a tiny data set. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { classifierInput } from '@cim/model/classify/input';
import type { CocoJson } from '@cim/model/evaluate/coco-json';
import { peakResponses } from '@cim/model/peaks/index';
import { RETRIEVAL } from '@cim/model/prm/index';
import { readResults } from '@cim/tools/datasets/results';
import { writeDemoDataset } from '@cim/tools/demo-data/write';
import { NdArray } from '@cim/tools/formats/ndarray';
import { readSafetensors } from '@cim/tools/formats/safetensors';
import { writeTorch } from '@cim/tools/formats/torch';
import { decodeImage } from '@cim/tools/images/decode';
import { loadClassifier } from '@cim/tools/pipeline/classify';
import { readCueList, readImageCues } from '@cim/tools/prm/cues';
import { drawCueFolder } from '@cim/tools/prm/draw';
import { imagesOfFolder, inferCues, requireClassifier } from '@cim/tools/prm/infer';
import { readInstances } from '@cim/tools/prm/retrieve';
import { retrieveRun } from '@cim/tools/prm/retrieve-run';
import { stepsOfEpochs, trainPrm } from '@cim/tools/prm/train';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { openTinyRun, temporaryFolder, tinyRecipe } from './tiny-run.ts';

const test = suite('prm');
const folder = temporaryFolder('prm');
const data = join(folder, 'data');
const out = join(folder, 'out');
const cues = join(out, 'prm', 'val');
const settings = [
  'workingSize=64',
  'classifier.backbone={type: resnet, stemChannels: 8, planes: 4, blocks: [1, 1, 1, 1], freezeAt: 0}',
  'classifier.canvas={width: 96, height: 96}',
  'classifier.pooling={type: peak-stimulation, upsampling: 8}',
  'classifier.training={steps: 40, batch: 4, imagesPerPass: 2}',
  'classifier.solver.schedule={baseLr: 0.05, warmupSteps: 0}',
  'checkpointEvery=20',
  'labels.peakThreshold=0.5',
];
const recipe = await tinyRecipe(...settings);
const open = () => openTinyRun(data, out, { recipe });

test.before(async () => {
  await writeDemoDataset(data, { seed: 3, train: 6, val: 3, width: 96, height: 64 });
});

test('training falls, and tells how well images are classified', async () => {
  const run = await open();
  const { curve, map } = await trainPrm(run);
  assert.equal(run.told.work, ['Classifier', 'Classify']);
  const mean = (part: typeof curve): number => part.reduce((sum, { losses }) => sum + losses.total, 0) / part.length;
  const [first, last] = [mean(curve.slice(0, 4)), mean(curve.slice(-4))];
  assert.ok(last < 0.8 * first, `from ${first} to ${last}`);
  assert.ok(map >= 0 && map <= 100);
  assert.is(await stepsOfEpochs(data, 3, { preset: 'small', set: settings }), Math.ceil((3 * 6) / 4));
});

test('cues hold maps, peaks of the given labels and their responses', async () => {
  const run = await open();
  const { images } = run.val;
  const list = await inferCues(run, { images, labels: 'given', peakThreshold: 0.5, folder: cues });
  assert.equal(await readCueList(cues), list);
  assert.equal(list.grid, { width: 24, height: 24 });
  assert.equal(
    list.images.map(({ file_name, width, height }) => [file_name, width, height]),
    images.map(({ fileName }) => [fileName, 96, 64]),
  );
  const classifier = await loadClassifier(run);
  for (const [i, cued] of list.images.entries()) {
    const { labels, file } = images[i];
    const found = await readImageCues(cues, list, cued);
    assert.equal(new Set(found.peaks.map(({ classIndex }) => classIndex)), new Set(labels));
    const image = await decodeImage(file, { width: 96, height: 96, fit: 'fill' });
    const input = classifierInput(run.device, image);
    const expected = await peakResponses(run.device, classifier, input, found.peaks);
    input.dispose();
    for (const [p, { row, column, score, classIndex }] of found.peaks.entries()) {
      assert.is(score, found.maps.values[(classIndex * found.maps.height + row) * found.maps.width + column]);
      const { category_id, x, y } = cued.peaks[p];
      assert.equal(
        [category_id, x, y],
        [list.classes[classIndex].id, Math.floor((column * 96) / 24), Math.floor((row * 64) / 24)],
      );
      assert.equal(found.responses[p], expected[p]);
      assert.ok(Math.abs(found.responses[p].reduce((a, b) => a + b, 0) - 1) < 1e-4);
    }
  }
  classifier.parameters.dispose();
  const { tensors } = await readSafetensors(join(cues, list.images[0].cues));
  const { length } = list.images[0].peaks;
  assert.equal(tensors.get('peak_response_maps')?.shape, [length, 96, 96]);
  assert.equal(tensors.get('class_response_maps')?.shape, [list.classes.length, 24, 24]);
});

test('a folder of images takes the classes that the classifier finds', async () => {
  const run = await open();
  const images = await imagesOfFolder(join(data, 'JPEGImages'));
  assert.is(images.length, 9);
  const options = { images, labels: 'predicted', peakThreshold: -100, folder: join(folder, 'all') } as const;
  const list = await inferCues(run, options);
  for (const { scores, peaks } of list.images) {
    const found = new Set(peaks.map(({ category_id }) => list.classes.findIndex(({ id }) => id === category_id)));
    assert.equal(found, new Set([...scores.keys()].filter((c) => scores[c] >= 0)));
  }
  assert.ok(list.images.some(({ peaks }) => peaks.length > 0));
  // Without a peak above the threshold a class is left out.
  const none = await inferCues(run, { ...options, peakThreshold: 1e6, folder: join(folder, 'none') });
  assert.ok(none.images.every(({ peaks }) => peaks.length === 0));
  const [first] = none.images;
  assert.equal((await readImageCues(join(folder, 'none'), none, first)).responses, []);
});

test('retrieved instances are COCO results of the labels, by the proposals', async () => {
  const run = await open();
  const { results, file, lines } = await retrieveRun(run, 'val', cues, RETRIEVAL);
  assert.equal(run.told.work, ['Proposals', 'Retrieve']);
  const { images } = JSON.parse(readFileSync(join(data, 'annotations/val.json'), 'utf8')) as CocoJson;
  assert.equal(await readResults(file, images), results);
  assert.ok(results.length >= 3);
  for (const { image_id, category_id } of results) {
    const { labels } = run.val.images.find(({ id }) => id === image_id)!;
    assert.ok(labels.includes(run.classes.findIndex(({ id }) => id === category_id)));
  }
  assert.match(lines.join('\n'), /Average Precision(.|\n)*mask AP, %/);
  const instances = await readInstances(cues, await readCueList(cues));
  assert.equal(
    instances.map(({ proposal: _, peaks: __, ...result }) => result),
    results,
  );
  const merged = instances.filter(({ image_id }) => image_id === 1).flatMap(({ peaks }) => peaks);
  assert.is(new Set(merged).size, merged.length, 'a peak belongs to one instance');
  const even = retrieveRun(run, 'val', cues, { ...RETRIEVAL, contourWidth: 4 });
  assert.match(String(await rejection(even)), /contour of 4 pixels/);
});

test('pictures show peaks, maps, responses and instances', async () => {
  const options = { data, split: 'val', folder: cues } as const;
  const pictures = join(cues, 'pictures');
  assert.is(await drawCueFolder({ ...options, out: pictures }), 3);
  const names = readdirSync(pictures).sort();
  assert.is(names.length, 4);
  assert.ok(names.includes('contact-sheet.png'));
  const bytes = names.map((name) => readFileSync(join(pictures, name)).toString('base64'));
  assert.is(new Set(bytes).size, 4, 'every picture is another');
  const list = await readCueList(cues);
  const [{ file_name, image_id, peaks }] = list.images;
  const picture = await decodeImage(join(pictures, `${file_name.replace(/\.\w+$/, '')}-${image_id}.png`));
  const panels = 1 + new Set(peaks.map(({ category_id }) => category_id)).size + peaks.length + 2;
  const [columns, rows] = [Math.min(6, panels), Math.ceil(panels / 6)];
  assert.equal([picture.width, picture.height], [6 + columns * 294, 6 + rows * 198]);
  assert.is(await drawCueFolder({ ...options, out: join(folder, 'one'), limit: 1 }), 1);
});

test('cues of other images and damaged cues are refused', async () => {
  const run = await open();
  const list = await readCueList(cues);
  const bad = join(folder, 'bad');
  mkdirSync(bad);
  const write = (value: unknown): void => writeFileSync(join(bad, 'cues.json'), JSON.stringify(value));
  const message = async (): Promise<string> => String(await rejection(retrieveRun(run, 'val', bad, RETRIEVAL)));
  write({ ...list, images: [{ ...list.images[0], image_id: 77 }] });
  assert.match(await message(), /DataError: .*cues of .* \(77\), which the data set lacks/);
  write({ ...list, classes: list.classes.slice(1) });
  assert.match(await message(), /DataError: .*cues of other classes/);
  const fewer = { ...list, images: list.images.map((image) => ({ ...image, peaks: [] })) };
  assert.match(String(await rejection(readInstances(cues, fewer))), /DataError: .*instances of other cues/);
  write({ ...list, format: 'other' });
  assert.match(await message(), /DataError: .*cues\.json lists no cues: .*format is "other"/);
  write({
    ...list,
    images: [{ ...list.images[0], cues: `../out/prm/val/${list.images[0].cues}` }],
    canvas: { width: 10, height: 10 },
  });
  assert.match(await message(), /DataError: .*"peak_response_maps" is F32 \[\d+,96,96\], not F32/);
});

test('published weights are used as they are', async () => {
  const run = await open();
  const trained = await loadClassifier(run);
  // Names as in prm_voc.pth: a Sequential around FC_ResNet, whose features are conv1, bn1, …, layer1 to layer4.
  const published = new Map(
    await Promise.all(
      [...trained.parameters.tensors].map(async ([name, tensor]) => {
        const data = Float32Array.from((await tensor.read()) as Float32Array);
        const key = name
          .replace(/^Conv_Body\.res1\./, 'features.')
          .replace(/^Conv_Body\.res(\d)\./, (_, stage) => `features.${Number(stage) + 2}.`);
        return [`0.${key}`, new NdArray('float32', tensor.shape, data)] as const;
      }),
    ),
  );
  trained.parameters.dispose();
  await writeTorch(join(data, 'prm_demo.pth'), { model: published });
  const untrained = [...settings, 'classifier.training.steps=0'];
  const given = await tinyRecipe(...untrained, 'classifier.weights=prm_demo.pth');
  const loaded = await openTinyRun(data, join(folder, 'published'), { recipe: given });
  const elsewhere = join(folder, 'published-cues');
  await requireClassifier(loaded);
  assert.match(loaded.told.notes.join(), /prm_demo\.pth: PRM’s classifier on ResNet-50; \d+ weights loaded/);
  await inferCues(loaded, { images: run.val.images, labels: 'given', peakThreshold: 0.5, folder: elsewhere });
  for (const { id } of run.val.images) {
    const name = `${id}.safetensors`;
    assert.ok(readFileSync(join(elsewhere, name)).equals(readFileSync(join(cues, name))), name);
  }

  const fails = async (weights: string): Promise<string> => {
    const bad = await tinyRecipe(...untrained, `classifier.weights=${weights}`);
    return String(
      await rejection(requireClassifier(await openTinyRun(data, join(folder, `bad-${weights}`), { recipe: bad }))),
    );
  };
  assert.match(await fails('null'), /ConfigError: .*no training steps, and nothing gives it its weights/);
  assert.match(await fails('missing.pth'), /ConfigError: The weights "missing\.pth" are at none of/);
  for (const key of [...published.keys()]) if (key.startsWith('0.classifier')) published.delete(key);
  await writeTorch(join(data, 'headless.pth'), { model: published });
  assert.match(await fails('headless.pth'), /ConfigError: .*classifier\.0\.weight, classifier\.0\.bias missing/);
});

test('a run without a classifier says what to do', async () => {
  const run = await openTinyRun(data, join(folder, 'empty'), { recipe });
  const failure = await rejection(retrieveRun(run, 'val', join(folder, 'no-cues'), RETRIEVAL));
  assert.match(String(failure), /ConfigError: .* has no classifier/);
  assert.not.ok(existsSync(join(folder, 'no-cues')));
});

test.run();
