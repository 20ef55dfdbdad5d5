/** The whole way on a tiny data set: what a run writes, and that nothing is done twice. */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CocoJson } from '@cim/model/evaluate/coco-json';
import { readGroundTruth } from '@cim/tools/datasets/read-ground-truth';
import { readResults } from '@cim/tools/datasets/results';
import { writeDemoDataset } from '@cim/tools/demo-data/write';
import { evaluateFiles } from '@cim/tools/evaluate/evaluate-files';
import { readSafetensors } from '@cim/tools/formats/safetensors';
import { decodeImage } from '@cim/tools/images/decode';
import { runAll } from '@cim/tools/pipeline/run';
import type { CurvePoint, RunSummary } from '@cim/tools/pipeline/summary';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { openTinyRun, temporaryFolder, tinyRecipe } from './tiny-run.ts';

const test = suite('run');
const folder = temporaryFolder('run');
const data = join(folder, 'data');
const out = join(folder, 'out');
const recipe = await tinyRecipe('workingSize=64', 'pseudoLabelThreshold=0.05', 'test.flip=false');

const jsonOf = <T>(...path: string[]): T => JSON.parse(readFileSync(join(...path), 'utf8')) as T;
type Split = { -readonly [K in keyof CocoJson]: CocoJson[K][number][] };

/** Two demo data sets of different sizes in one. A CSV file lists the images to train on. */
async function mixedDataset(): Promise<void> {
  const wide = join(folder, 'wide');
  await writeDemoDataset(data, { seed: 1, train: 8, val: 3, width: 64, height: 64 });
  await writeDemoDataset(wide, { seed: 2, train: 4, val: 2, width: 128, height: 80 });
  const lines = ['file,labels'];
  for (const split of ['train', 'val']) {
    const path = join(data, 'annotations', `${split}.json`);
    const file = jsonOf<Split>(path);
    const more = jsonOf<Split>(wide, 'annotations', `${split}.json`);
    for (const image of more.images) {
      const name = `wide_${image.file_name}`;
      cpSync(join(wide, 'JPEGImages', image.file_name), join(data, 'JPEGImages', name));
      file.images.push({ ...image, id: image.id + 1000, file_name: name });
    }
    for (const annotation of more.annotations) {
      const id = file.annotations.length + 1;
      file.annotations.push({ ...annotation, id, image_id: annotation.image_id + 1000 });
    }
    if (split === 'val') {
      writeFileSync(path, JSON.stringify(file));
      continue;
    }
    for (const { id, file_name } of file.images) {
      const labels = file.annotations.filter(({ image_id }) => image_id === id).map((a) => a.category_id);
      const names = file.categories.filter((category) => labels.includes(category.id)).map(({ name }) => name);
      lines.push(`${file_name},${names.join(';')}`);
    }
    rmSync(path);
  }
  writeFileSync(join(data, 'train.csv'), lines.join('\n'));
}

test.before(async () => {
  await mixedDataset();
  const run = await openTinyRun(data, out, { recipe });
  assert.equal(await runAll(run), jsonOf(out, 'summary.json'));
  assert.equal(run.told.warnings, []);
  const stages = ['Classifier', 'Classify', 'Proposals', 'Labels', 'Train', 'Detect', 'Pseudo labels'];
  assert.equal(run.told.work, stages);
});

test('the summary holds what is documented', () => {
  const summary = jsonOf<RunSummary>(out, 'summary.json');
  assert.is(summary.recipe, 'small');
  const classes = jsonOf<Split>(data, 'annotations/val.json').categories.map(({ name }) => name);
  assert.equal(summary.data, { folder: data, classes, train: 12, val: 5 });
  assert.equal(
    summary.strategies.map(({ strategy, seed }) => [strategy, seed]),
    [
      ['cim', recipe.seed],
      ['anti-noise branch of cim', recipe.seed],
    ],
  );
  const isPercent = (value: number): boolean => value >= 0 && value <= 100;
  for (const scores of summary.strategies) {
    for (const metric of ['mAP25', 'mAP50', 'mAP70', 'mAP75', 'AP'] as const) {
      assert.ok(isPercent(scores[metric]), `${metric} ${scores[metric]}`);
    }
    assert.is(scores.byClass.length, classes.length);
  }
  const { meanBestIoU, recall50, upperBoundMAP50, perImage, secondsPerImage } = summary.proposals;
  assert.ok(meanBestIoU > 0.2 && meanBestIoU <= 1 && recall50 >= 0 && recall50 <= 1 && isPercent(upperBoundMAP50));
  assert.ok(perImage > 1 && perImage <= 12 && secondsPerImage > 0);
  assert.ok(summary.classifier && isPercent(summary.classifier.mAP));
  const stages = ['classifier', 'classifier test', 'proposals', 'labels', 'training', 'inference', 'evaluation'];
  assert.equal(Object.keys(summary.seconds), [...stages, 'pseudo labels', 'pictures']);
  assert.ok(Object.values(summary.seconds).every((seconds) => seconds > 0));
  assert.ok(summary.adapter.driver && summary.adapter.description);
  assert.ok(summary.peakBytes > 2 ** 20);
  assert.equal(summary.skipped, []);
});

test('`cim eval` gives the scores of the summary', async () => {
  const summary = jsonOf<RunSummary>(out, 'summary.json');
  const gt = join(data, 'annotations/val.json');
  for (const [i, name] of ['results.json', 'results-anti-noise.json'].entries()) {
    const { coco, voc } = await evaluateFiles({ gt, dt: join(out, name), type: 'segm', voc: true });
    const { mAP25, mAP50, mAP70, mAP75, AP } = summary.strategies[i];
    assert.equal(
      voc?.meanAp.map((ap) => 100 * ap),
      [mAP25, mAP50, mAP70, mAP75],
    );
    assert.is(100 * coco!.stats[0], AP);
  }
});

test('results cover images of every size, in the size of the file', async () => {
  const { images } = jsonOf<Split>(data, 'annotations/val.json');
  const results = await readResults(join(out, 'results.json'), images);
  for (const { id, width, height } of images) {
    const [found] = results.filter(({ image_id }) => image_id === id);
    assert.equal(found?.segmentation?.size, [height, width]);
  }
});

test('pseudo labels are annotations of the training images with their labels', async () => {
  const { images, annotations, categories } = await readGroundTruth(join(out, 'pseudo-labels.json'));
  assert.equal(
    images.map(({ file_name, width, height }) => [file_name, width, height]),
    [
      ...Array.from({ length: 8 }, (_, i) => [`train_000${i + 1}.jpg`, 64, 64]),
      ...Array.from({ length: 4 }, (_, i) => [`wide_train_000${i + 1}.jpg`, 128, 80]),
    ],
  );
  assert.ok(annotations.length > 0);
  const labels = new Map(
    readFileSync(join(data, 'train.csv'), 'utf8')
      .split('\n')
      .map((line) => line.split(',') as [string, string]),
  );
  for (const { image_id, category_id } of annotations) {
    const { file_name } = images.find(({ id }) => id === image_id)!;
    const { name } = categories.find(({ id }) => id === category_id)!;
    assert.ok(labels.get(file_name)?.split(';').includes(name), `${name} in ${file_name}`);
  }
});

test('proposals of large images are in the working size', async () => {
  const small = await readSafetensors(join(out, 'proposals', '1.safetensors'));
  const large = await readSafetensors(join(out, 'proposals', '9.safetensors'));
  assert.equal([small.metadata.width, small.metadata.height], ['64', '64']);
  assert.equal([large.metadata.width, large.metadata.height], ['64', '40']);
  assert.is(readdirSync(join(out, 'proposals')).length, 12 + 5);
});

test('curves, pictures and the report are there', async () => {
  for (const log of ['classifier.log.jsonl', 'cim.log.jsonl']) {
    const points = readFileSync(join(out, log), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as CurvePoint);
    assert.equal(
      points.map(({ step }) => step),
      [0, 1, 2, 3],
    );
    assert.ok(points.every(({ lr, losses }) => lr > 0 && losses.total > 0));
  }
  const { images } = jsonOf<Split>(data, 'annotations/val.json');
  const pictures = images.map(({ file_name }) => file_name.replace('.jpg', '.png'));
  assert.equal(readdirSync(join(out, 'overlays')).sort(), ['contact-sheet.png', ...pictures].sort());
  for (const name of pictures) assert.ok((await decodeImage(join(out, 'overlays', name))).width >= 128);
  const page = readFileSync(join(out, 'report.html'), 'utf8');
  for (const name of pictures) assert.ok(page.includes(`overlays/${name}`), name);
  assert.equal(jsonOf(out, 'recipe.json'), recipe);
});

test('nothing is done twice', async () => {
  const written = () =>
    (readdirSync(out, { recursive: true }) as string[])
      .map((name) => [name, statSync(join(out, name))] as const)
      .filter(([name, status]) => status.isFile() && name !== 'recipe.json')
      .map(([name, { mtimeMs, size }]) => [name, mtimeMs, size]);
  const before = written();
  const again = await openTinyRun(data, out, { recipe });
  assert.equal(await runAll(again), jsonOf(out, 'summary.json'));
  assert.equal(again.told.work, []);
  assert.match(again.told.notes.join(), /All stages are done/);
  assert.equal(written(), before);
});

test('a run that lost its last files makes them again, the same', async () => {
  const copy = join(folder, 'copy');
  cpSync(out, copy, { recursive: true });
  for (const name of ['results.json', 'results-anti-noise.json', 'pseudo-labels.json', 'report.html', 'summary.json']) {
    rmSync(join(copy, name));
  }
  const run = await openTinyRun(data, copy, { recipe });
  const summary = await runAll(run);
  assert.equal(run.told.work, ['Classify', 'Detect', 'Pseudo labels']);
  assert.equal(summary.strategies, jsonOf<RunSummary>(out, 'summary.json').strategies);
  for (const name of ['results.json', 'results-anti-noise.json', 'pseudo-labels.json']) {
    assert.ok(readFileSync(join(copy, name)).equals(readFileSync(join(out, name))), name);
  }
  assert.ok(existsSync(join(copy, 'report.html')));
});

test('the folder of a finished run refuses other data', async () => {
  const other = join(folder, 'other');
  cpSync(data, other, { recursive: true });
  const run = await openTinyRun(other, out, { recipe });
  assert.match(String(await rejection(runAll(run))), /ConfigError: .*holds a run on other data/);
});

test.run();
