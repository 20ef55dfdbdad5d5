/** What a user can get wrong: every case is a typed error that says what and what to do, or a note and a run that ends. */
import {
  copyFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { CocoResult } from '@cim/model/evaluate/coco-json';
import { NonFiniteLossError } from '@cim/model/train/loop';
import { NoSamplesError } from '@cim/model/train/order';
import type { ReportedError } from '@cim/runtime';
import { writeDemoDataset } from '@cim/tools/demo-data/write';
import { CheckpointError, ConfigError, DataError, ImageError, OutputError } from '@cim/tools/errors';
import { writeFileAtomic } from '@cim/tools/formats/atomic';
import { readSafetensors, writeSafetensors } from '@cim/tools/formats/safetensors';
import { encodePng } from '@cim/tools/images/png';
import { readCheckpoint } from '@cim/tools/pipeline/checkpoint';
import { inferSplit } from '@cim/tools/pipeline/infer-split';
import { chooseRecipe } from '@cim/tools/pipeline/recipe-options';
import { prepareAndTrain, proposalStage, runAll } from '@cim/tools/pipeline/run';
import { loadCim } from '@cim/tools/pipeline/train';
import { TrainingLog } from '@cim/tools/pipeline/training-log';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { cim } from './cim.ts';
import { openTinyRun, temporaryFolder, tinyRecipe } from './tiny-run.ts';

const test = suite('bad input');
const folder = temporaryFolder('bad-input');
const data = join(folder, 'data');
const done = join(folder, 'done');

test.before(async () => {
  await writeDemoDataset(data, { train: 5, val: 3, width: 64, height: 64 });
  const run = await openTinyRun(data, done);
  await prepareAndTrain(run, [...run.train.images, ...run.val.images]);
});

interface CocoFile {
  images: { id: number; file_name: string; width: number; height: number }[];
  annotations: { image_id: number; category_id: number; segmentation?: unknown }[];
  categories: { id: number; name: string }[];
}

/** A copy of the data set with one annotation file changed. */
function changed(name: string, split: 'train' | 'val', change: (file: CocoFile) => unknown): string {
  const copy = join(folder, name);
  cpSync(data, copy, { recursive: true });
  const path = join(copy, 'annotations', `${split}.json`);
  const file = JSON.parse(readFileSync(path, 'utf8')) as CocoFile;
  writeFileSync(path, JSON.stringify(change(file) ?? file));
  return copy;
}

/** A copy of the data set with images replaced by other bytes, or cut off. */
function withImages(name: string, replaced: Readonly<Record<string, (bytes: Buffer) => Uint8Array>>): string {
  const copy = join(folder, name);
  cpSync(data, copy, { recursive: true });
  for (const [image, replace] of Object.entries(replaced)) {
    const path = join(copy, 'JPEGImages', image);
    writeFileSync(path, replace(readFileSync(path)));
  }
  return copy;
}

const truncated = (bytes: Buffer): Uint8Array => bytes.subarray(0, bytes.length / 2);
const onePixel = (): Uint8Array => encodePng({ width: 1, height: 1, rgb: Uint8Array.of(9, 9, 9) });

/** Runs a copy of the finished run, changed by `change`. */
function copyOfRun(name: string, change: (out: string) => void = () => {}): string {
  const out = join(folder, name);
  cpSync(done, out, { recursive: true });
  change(out);
  return out;
}

/** Expects a typed error whose message matches, with a remedy. */
async function fails<T extends ReportedError>(
  type: new (...args: never[]) => T,
  message: RegExp,
  work: () => Promise<unknown>,
  remedy = /\w{3}/,
): Promise<void> {
  const error = await rejection(work());
  assert.instance(error, type, String(error));
  assert.match(error.message, message);
  assert.match(error.remedy ?? '', remedy);
}

test('a bad image is reported and left out at every stage, and the run ends', async () => {
  const bad = { 'train_0002.jpg': truncated, 'val_0001.jpg': () => Buffer.from('not an image') };
  const run = await openTinyRun(withImages('bad-images', bad), join(folder, 'bad-images-run'));
  const { strategies } = await runAll(run);
  assert.ok(strategies.every(({ AP }) => AP >= 0));
  assert.is(run.skipped.length, 2);
  assert.match(run.skipped.join('\n'), /Cannot decode .*train_0002\.jpg: /);
  assert.match(run.skipped.join('\n'), /Cannot decode .*val_0001\.jpg: /);
  assert.equal(run.told.warnings, run.skipped, 'each is told once');
  assert.not(readdirSync(run.folder.overlays).includes('val_0001.png'));
  assert.ok(readdirSync(run.folder.overlays).includes('val_0002.png'));
});

test('a bad image is an error of a strict run', async () => {
  const broken = withImages('strict', { 'train_0002.jpg': truncated });
  const run = await openTinyRun(broken, join(folder, 'strict-run'), { strict: true });
  await fails(ImageError, /train_0002\.jpg/, () => runAll(run));
});

test('images that are all bad end the run at once', async () => {
  const all = (split: string, count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`${split}_000${i + 1}.jpg`, () => Buffer.from('?')]));
  const train = await openTinyRun(withImages('all-bad-train', all('train', 5)), join(folder, 'all-bad-train-run'));
  await fails(ImageError, /None of the 5 images of "train" in .*all-bad-train/, () => runAll(train), /repair/);
  const val = await openTinyRun(withImages('all-bad-val', all('val', 3)), join(folder, 'all-bad-val-run'));
  await fails(ImageError, /None of the 3 images of "val"/, () => runAll(val));
  assert.not(existsSync(val.folder.classifier), 'before any training');
});

test('an image without proposals is left out of training and inference', async () => {
  const none = { 'train_0001.jpg': onePixel, 'val_0002.jpg': onePixel };
  const run = await openTinyRun(withImages('plain', none), join(folder, 'plain-run'));
  await prepareAndTrain(run, run.train.images);
  const { resultsFile } = await inferSplit(run, 'val');
  const results: CocoResult[] = JSON.parse(readFileSync(resultsFile, 'utf8'));
  assert.ok(results.every(({ image_id }) => image_id !== run.val.images[1].id));
  assert.equal(run.skipped, [
    'train_0001.jpg has no proposals: it is left out.',
    'val_0002.jpg has no proposals: it is left out.',
  ]);
});

test('no image with proposals: nothing to train on', async () => {
  const copy = changed('all-plain', 'train', (file) => {
    file.images = file.images.slice(0, 1);
    file.annotations = file.annotations.filter(({ image_id }) => image_id === file.images[0].id);
  });
  writeFileSync(join(copy, 'JPEGImages/train_0001.jpg'), onePixel());
  const run = await openTinyRun(copy, join(folder, 'all-plain-run'));
  await fails(NoSamplesError, /None of the 1 training samples/, () => prepareAndTrain(run, run.train.images));
});

test('annotations that are not COCO, empty, or name what is not there', async () => {
  const open = (copy: string) => () => openTinyRun(copy, join(folder, 'never'));
  await fails(DataError, /train\.json .*it holds no object/, open(changed('list', 'train', () => [1])), /COCO file/);
  await fails(DataError, /train\.json .*no "categories"/, open(changed('other', 'train', () => ({ a: 1 }))));
  const image = changed('unknown-image', 'train', (file) => {
    file.annotations[0].image_id = 77;
  });
  await fails(DataError, /train\.json .*annotations\[0\].* names image 77/, open(image));
  const category = changed('unknown-category', 'val', (file) => {
    file.annotations[1].category_id = 99;
  });
  await fails(DataError, /val\.json .*annotations\[1\].* names category 99/, open(category));
  const empty = changed('empty', 'train', ({ categories }) => ({ images: [], annotations: [], categories }));
  await fails(DataError, /train\.json lists no image/, open(empty));
  const unlabelled = changed('unlabelled', 'train', (file) => ({ ...file, annotations: [] }));
  await fails(DataError, /None of the 5 images of "train" .*has a label/, open(unlabelled));
  await fails(DataError, /nowhere does not exist/, open(join(folder, 'nowhere')));
  assert.not(existsSync(join(folder, 'never')), 'nothing is written');
});

test('without validation masks the run ends before its work; training goes', async () => {
  const copy = changed('no-masks', 'val', (file) => {
    for (const annotation of file.annotations) delete annotation.segmentation;
  });
  const run = await openTinyRun(copy, join(folder, 'no-masks-run'));
  await fails(DataError, /"val" in .*no-masks cannot be evaluated: .*val_000\d\.jpg has no segmentation/, () =>
    runAll(run),
  );
  assert.equal(run.told.work, []);
  await prepareAndTrain(run, run.train.images);
  assert.ok(existsSync(run.folder.cim));
});

test('settings that do not exist or make no sense', async () => {
  const set = (assignment: string) => () => chooseRecipe({ preset: 'small', set: [assignment] });
  await fails(ConfigError, /no setting "training\.step"/, set('training.step=3'), /Did you mean "training\.steps"/);
  await fails(ConfigError, /"steps" is not an assignment/, set('steps'));
  await fails(
    ConfigError,
    /"training\.steps" is "many"\. .*expected number/,
    set('training.steps=many'),
    /It is \d+ unless changed/,
  );
  await fails(ConfigError, /"training\.steps" is -5\. /, set('training.steps=-5'));
  await fails(ConfigError, /"training\.steps" is 2\.5\. /, set('training.steps=2.5'));
  await fails(ConfigError, /"training\.steps" is null\. /, set('training.steps=null'));
  await fails(ConfigError, /"solver\.schedule\.baseLr" is NaN\. /, set('solver.schedule.baseLr=.nan'));
  await fails(ConfigError, /"solver\.schedule\.baseLr" is Infinity\. /, set('solver.schedule.baseLr=.inf'));
  await fails(ConfigError, /"cim\.strategy" is "cmi"\. .*"cim".*"mist"/, set('cim.strategy=cmi'));
  await fails(
    ConfigError,
    /"cim\.antiNoiseBranch" is false\. WSDDN is nothing but this branch/,
    set('cim={strategy: wsddn, antiNoiseBranch: false}'),
  );
  await fails(ConfigError, /"test\.scales" is \[\]\. /, set('test.scales=[]'));
  await fails(ConfigError, /"training" is 3\. /, set('training=3'));
  await fails(ConfigError, /training=\{steps: is neither JSON nor YAML/, set('training={steps:'));
  await fails(ConfigError, /solver\.(type|schedule)|"solver/, set('solver={type: adam}'));
});

test('presets and recipe files that do not exist or hold something else', async () => {
  const preset = (name: string) => () => chooseRecipe({ preset: name, set: [] });
  await fails(ConfigError, /"smal" is neither a preset nor a file/, preset('smal'), /did you mean small\?/);
  const file = join(folder, 'recipe.yaml');
  for (const [text, message] of [
    ['workingSize: 8', /recipe\.yaml: "workingSize" is 8\. /],
    ['worksize: 8', /recipe\.yaml: there is no setting "worksize"/],
    ['', /recipe\.yaml: the recipe is null\. /],
    ['{', /recipe\.yaml is neither JSON nor YAML/],
  ] as const) {
    writeFileSync(file, text);
    await fails(ConfigError, message, preset(file));
  }
  writeFileSync(file, 'training: {steps: 7}\ntest: {scales: [1, 1.5]}');
  const { training, test: passes } = await chooseRecipe({ preset: file, set: ['training.imagesPerStep=1'] });
  assert.equal([training.steps, training.imagesPerStep, passes.scales, passes.flip], [7, 1, [1, 1.5], true]);
});

test('a folder that holds a run of another recipe, or for other classes', async () => {
  const other = await tinyRecipe('training.steps=6');
  await fails(
    ConfigError,
    /done holds a run of another recipe/,
    () => openTinyRun(data, done, { recipe: other }),
    /--out/,
  );

  const out = copyOfRun('other-recipe', (path) => rmSync(join(path, 'recipe.json')));
  const run = await openTinyRun(data, out, { recipe: other });
  const resume = () => prepareAndTrain(run, run.train.images);
  await fails(CheckpointError, /classifier\.safetensors was trained with another recipe \(small\)/, resume, /--out/);

  const renamed = join(folder, 'renamed');
  cpSync(data, renamed, { recursive: true });
  for (const split of ['train', 'val']) {
    const path = join(renamed, 'annotations', `${split}.json`);
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll('lantern', 'lamp'));
  }
  const foreign = await openTinyRun(renamed, copyOfRun('other-classes'));
  const classes = /safetensors was trained for other classes: .*lantern \(\d\).*, not .*lamp \(\d\)/;
  await fails(CheckpointError, classes, () => prepareAndTrain(foreign, foreign.train.images));
  await fails(CheckpointError, classes, () => inferSplit(foreign, 'val'), /same classes/);
});

test('a checkpoint that is cut off, or of another architecture', async () => {
  const cut = copyOfRun('cut', (out) => {
    const path = join(out, 'cim.safetensors');
    writeFileSync(path, readFileSync(path).subarray(0, 20_000));
  });
  await fails(CheckpointError, /cut\/cim\.safetensors: the file is truncated/, async () =>
    loadCim(await openTinyRun(data, cut)),
  );

  const other = copyOfRun('other-architecture');
  const path = join(other, 'cim.safetensors');
  const { metadata, tensors } = await readSafetensors(path);
  const renamed = [...tensors].map(([name, tensor]) => [name.replace('layer2', 'stage2'), tensor] as const);
  await writeSafetensors(path, metadata, renamed);
  const keys = /other-architecture\/cim\.safetensors.*missing.*Conv_Body\.layer2.*unexpected.*Conv_Body\.stage2/s;
  await fails(CheckpointError, keys, async () => loadCim(await openTinyRun(data, other)));

  const wrongKind = copyOfRun('kind', (out) =>
    copyFileSync(join(out, 'classifier.safetensors'), join(out, 'cim.safetensors')),
  );
  await fails(CheckpointError, /holds a classifier model; a cim model is needed/, async () =>
    loadCim(await openTinyRun(data, wrongKind)),
  );
});

test('proposals of other options, and of another data set', async () => {
  const recipe = await tinyRecipe('proposals.superpixels=30');
  const stale = copyOfRun('stale', (out) => {
    for (const name of readdirSync(out)) if (name !== 'proposals') rmSync(join(out, name), { recursive: true });
  });
  const run = await openTinyRun(data, stale, { recipe });
  const message = /proposals\/1\.safetensors: its options is .*"superpixels":40.*"superpixels":30/;
  await fails(DataError, message, () => prepareAndTrain(run, run.train.images), /Delete/);

  const renamed = changed('renamed-images', 'val', (file) => {
    for (const image of file.images) {
      const name = image.file_name.replace('val', 'new');
      copyFileSync(join(data, 'JPEGImages', image.file_name), join(folder, 'renamed-images/JPEGImages', name));
      image.file_name = name;
    }
  });
  const other = await openTinyRun(renamed, copyOfRun('other-data'));
  await fails(DataError, /its image is val_0001\.jpg, now it is new_0001\.jpg/, () => inferSplit(other, 'val'));
});

test('a file in the place of a folder', async () => {
  const file = join(folder, 'occupied');
  writeFileSync(file, '');
  await fails(
    OutputError,
    /Cannot write to .*occupied: a file is in its place/,
    () => openTinyRun(data, file),
    /--out/,
  );
  await fails(OutputError, /occupied\/x: a part of its path is a file/, () => openTinyRun(data, join(file, 'x')));

  const out = copyOfRun('occupied-proposals', (path) => {
    for (const name of ['proposals', 'labels.safetensors']) rmSync(join(path, name), { recursive: true });
    writeFileSync(join(path, 'proposals'), '');
  });
  const run = await openTinyRun(data, out);
  await fails(OutputError, /Cannot write .*occupied-proposals\/proposals/, () => proposalStage(run, run.train.images));
});

test('a full disk leaves what was there', async () => {
  const path = join(folder, 'full', 'results.json');
  await writeFileAtomic(path, 'old');
  async function* fillsTheDisk(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('half of the new file');
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  }
  const write = () => writeFileAtomic(path, fillsTheDisk());
  await fails(OutputError, /Cannot write .*results\.json: the disk is full \(ENOSPC\)/, write, /Free space/);
  assert.is(readFileSync(path, 'utf8'), 'old');
  assert.equal(readdirSync(join(folder, 'full')), ['results.json']);
});

test('a full disk under the log stops the training', async () => {
  if (!existsSync('/dev/full')) return; // Linux only
  const path = join(folder, 'full.log.jsonl');
  symlinkSync('/dev/full', path);
  const log = new TrainingLog(path, 0);
  const add = async () => log.add({ step: 0, lr: 1, losses: { total: 1 } });
  await fails(OutputError, /full\.log\.jsonl: the disk is full/, add);
  log.close();
});

test('a loss that is not finite ends the training; the last good checkpoint stays and loads', async () => {
  const recipe = await tinyRecipe('training.steps=12');
  // The learning rate jumps at the fifth step, after the second checkpoint.
  const decay = { type: 'step', decaySteps: [4], gamma: 1e36 } as const;
  const jump = {
    ...recipe,
    solver: { ...recipe.solver, schedule: { ...recipe.solver.schedule, warmupSteps: 0, decay } },
  };
  const run = await openTinyRun(data, join(folder, 'not-finite'), { recipe: jump });
  const parts = /Step [4-7] is not finite: .*train_000\d\.jpg: bag .*pcl .*cls .*iou /;
  await fails(NonFiniteLossError, parts, () => prepareAndTrain(run, run.train.images), /last checkpoint/);
  const { step } = await readCheckpoint(run.folder.cim, 'cim');
  assert.ok(step >= 4 && step < 8, `step ${step}`);
  const { tensors } = await readSafetensors(run.folder.cim);
  for (const { data } of tensors.values()) assert.ok((data as Float32Array).every(Number.isFinite));
  (await loadCim(run)).parameters.dispose();
});

test('the command ends with code 1, the message and the remedy, without a stack', async () => {
  const { code, stdout, stderr } = await cim(
    'train',
    '--data',
    join(folder, 'nowhere'),
    '--out',
    join(folder, 'never'),
  );
  assert.is(code, 1);
  assert.is(stdout, '');
  assert.match(stderr, /DataError: .*nowhere does not exist\.\nCheck the path of the data set\.\n$/);
  assert.not.match(stderr, /\n {4}at /);
});

test.run();
