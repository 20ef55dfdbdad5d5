import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeRle } from '@cim/model/evaluate/rle';
import { labelsOnly } from '@cim/tools/datasets/dataset';
import { groundTruth } from '@cim/tools/datasets/ground-truth';
import { openDataset } from '@cim/tools/datasets/open';
import { objectClasses } from '@cim/tools/demo-data/objects';
import { demoScene } from '@cim/tools/demo-data/picture';
import { coverage, ellipse, maskOf, rectangle } from '@cim/tools/demo-data/raster';
import { writeDemoDataset } from '@cim/tools/demo-data/write';
import { ConfigError, OutputError } from '@cim/tools/errors';
import { decodeImage } from '@cim/tools/images/decode';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('demo data');
const folder = mkdtempSync(join(tmpdir(), 'cim-demo-'));
test.after(() => rmSync(folder, { recursive: true }));

const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);

test('coverage is the area of a shape', () => {
  const box = coverage(rectangle(2.25, 1.4, 5.5, 3.2), 10, 8);
  assert.equal([box.left, box.top, box.width, box.height], [2, 1, 4, 3]);
  assert.ok(Math.abs(sum(box.alpha) - 3.25 * 1.8) < 1e-5);
  assert.ok(Math.abs(box.alpha[5] - 1) < 1e-6 && Math.abs(box.alpha[4] - 0.75) < 1e-6);
  const disc = coverage(ellipse(20, 20, 15, 10), 40, 40);
  assert.ok(Math.abs(sum(disc.alpha) - Math.PI * 150) < 4);
  const cut = coverage(rectangle(-5, -5, 3, 4), 10, 8);
  assert.equal([cut.left, cut.top, cut.width, cut.height, Math.round(sum(cut.alpha))], [0, 0, 3, 4, 12]);
  assert.is(sum(coverage(rectangle(20, 20, 30, 30), 10, 8).alpha), 0);
  const halves = [coverage(rectangle(0, 0, 1.3, 1), 3, 1), coverage(rectangle(1.3, 0, 3, 1), 3, 1)];
  assert.equal([...maskOf(halves, 3, 1)], [1, 1, 1]);
});

test('a scene depends on its seed and index alone', () => {
  const [a, b] = [demoScene(1, 'train', 7, 96, 72), demoScene(1, 'train', 7, 96, 72)];
  assert.equal(a, b);
  for (const other of [
    demoScene(2, 'train', 7, 96, 72),
    demoScene(1, 'val', 7, 96, 72),
    demoScene(1, 'train', 8, 96, 72),
  ]) {
    assert.not.equal(other.image.rgb, a.image.rgb);
  }
});

test('scenes have the promised statistics', () => {
  const [width, height, n] = [96, 72, 120];
  const scenes = Array.from({ length: n }, (_, i) => demoScene(3, 'train', i, width, height));
  const instances = scenes.flatMap((scene) => scene.instances);
  const mean = (values: number[]): number => sum(values) / values.length;
  const perImage = mean(scenes.map((scene) => scene.instances.length));
  assert.ok(perImage > 2 && perImage < 2.6, `${perImage} instances an image`);
  const classes = mean(scenes.map((scene) => new Set(scene.instances.map((i) => i.classIndex)).size));
  assert.ok(classes > 1.1 && classes < 1.35, `${classes} classes an image`);
  const areas = instances.map(({ area }) => area / (width * height));
  assert.ok(Math.min(...areas) >= 0.015 && Math.max(...areas) <= 0.1, `${Math.min(...areas)} to ${Math.max(...areas)}`);
  assert.ok(mean(areas) > 0.04 && mean(areas) < 0.06, `${mean(areas)} mean area`);
  for (const [i, { name }] of objectClasses.entries()) {
    const share = instances.filter(({ classIndex }) => classIndex === i).length / instances.length;
    assert.ok(share > 0.1 && share < 0.3, `${share} are ${name}`);
  }
  for (const [i, scene] of scenes.entries()) {
    assert.ok(scene.instances.some(({ classIndex }) => classIndex === i % objectClasses.length));
    const taken = new Uint8Array(width * height);
    for (const { mask, area } of scene.instances) {
      assert.is(sum(mask), area);
      for (let p = 0; p < mask.length; p++) taken[p] += mask[p];
    }
    assert.ok(Math.max(...taken) <= 1, 'every pixel belongs to one object at most');
  }
});

test('a mask covers its object: the body has the colour of its class inside, not outside', () => {
  const distance = (scene: ReturnType<typeof demoScene>, colour: readonly number[], p: number): number =>
    Math.hypot(...colour.map((c, k) => 255 * c - scene.image.rgb[3 * p + k]));
  const share = { inside: 0, outside: 0 };
  for (let i = 0; i < 20; i++) {
    const scene = demoScene(4, 'val', i, 96, 72);
    const { classIndex } = scene.instances[0];
    const masks = scene.instances.filter((instance) => instance.classIndex === classIndex).map(({ mask }) => mask);
    const near = (wanted: boolean): number => {
      const pixels = [...masks[0].keys()].filter((p) => masks.some((mask) => mask[p] === 1) === wanted);
      return pixels.filter((p) => distance(scene, objectClasses[classIndex].body, p) < 75).length / pixels.length;
    };
    share.inside += near(true) / 20;
    share.outside += near(false) / 20;
  }
  assert.ok(share.inside > 0.5, `${share.inside} of the object`);
  assert.ok(share.outside < 0.15, `${share.outside} of the rest`);
});

test('the written data set opens, and holds what was drawn', async () => {
  const progress: number[] = [];
  const options = {
    seed: 5,
    train: 6,
    val: 3,
    width: 96,
    height: 72,
    onProgress: (done: number) => progress.push(done),
  };
  await writeDemoDataset(folder, options);
  assert.equal(progress, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const train = await openDataset({ path: folder, split: 'train' });
  const val = await openDataset({ path: folder, split: 'val', classes: train.classes });
  assert.equal([train.images.length, val.images.length], [6, 3]);
  assert.equal(
    train.classes.map(({ name }) => name),
    objectClasses.map(({ name }) => name),
  );
  assert.is(labelsOnly(train).unlabelled, 0);

  const scene = demoScene(5, 'val', 2, 96, 72);
  const [image, truth] = [val.images[2], groundTruth(val)];
  assert.equal(
    image.labels,
    [...new Set(scene.instances.map((i) => i.classIndex))].sort((a, b) => a - b),
  );
  const stored = truth.annotations.filter((annotation) => annotation.image_id === image.id);
  assert.is(stored.length, scene.instances.length);
  for (const [i, { mask, area }] of scene.instances.entries()) {
    const { segmentation } = stored[i];
    assert.equal('counts' in segmentation && decodeRle(segmentation), mask);
    assert.is(stored[i].area, area);
  }
  const { rgb } = await decodeImage(image.file);
  const error = sum(rgb.map((value, i) => Math.abs(value - scene.image.rgb[i]))) / rgb.length;
  assert.ok(error < 6, `${error} grey levels between the picture and its file`);

  const before = readFileSync(join(folder, 'annotations/train.json'));
  const jpeg = readFileSync(train.images[0].file);
  await writeDemoDataset(folder, options);
  assert.equal(readFileSync(join(folder, 'annotations/train.json')), before);
  assert.equal(readFileSync(train.images[0].file), jpeg);
  assert.match(readFileSync(join(folder, 'README.txt'), 'utf8'), 'seed 5');
});

test('impossible wishes and folders are errors', async () => {
  const rejects = async (target: string, options: object, type: typeof ConfigError, message: RegExp) => {
    const error = await writeDemoDataset(target, options).then(
      () => undefined,
      (e: Error) => e,
    );
    assert.instance(error, type);
    assert.match(String(error?.message), message);
  };
  await rejects(folder, { train: 0 }, ConfigError, /train is 0/);
  await rejects(folder, { width: 10 }, ConfigError, /width is 10/);
  await rejects(folder, { seed: 1.5 }, ConfigError, /seed is 1\.5/);
  const file = join(folder, 'file');
  writeFileSync(file, '');
  await rejects(file, { train: 1, val: 1, width: 64, height: 64 }, OutputError, /JPEGImages/);
});

test.run();
