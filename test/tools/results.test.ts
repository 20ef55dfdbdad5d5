import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { selectDetections } from '@cim/model/detect/select-detections';
import type { CocoResult } from '@cim/model/evaluate/coco-json';
import { decodeRle } from '@cim/model/evaluate/rle';
import { packMasks } from '@cim/model/masks/index';
import { DataError } from '@cim/tools/errors';
import { evaluateFiles } from '@cim/tools/evaluate/evaluate-files';
import { NdArray } from '@cim/tools/formats/ndarray';
import { readPickle, writePickle } from '@cim/tools/formats/pickle';
import { writeCobMasks } from '@cim/tools/proposals/cob-mat-writer';
import { writeProposals } from '@cim/tools/proposals/files';
import { readDetectionsPickle, writeDetectionsPickle } from '@cim/tools/results/detections-pickle';
import { writeDetectionTensors } from '@cim/tools/results/detections-tensors';
import { instanceResults } from '@cim/tools/results/instances';
import { matchImages, openScores } from '@cim/tools/results/open-scores';
import { readProposalMasks } from '@cim/tools/results/proposal-masks';
import type { ScoreSource } from '@cim/tools/results/scores';
import { ScoreSpool } from '@cim/tools/results/spool';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { cim } from './cim.ts';
import { temporaryFolder } from './tiny-run.ts';

const test = suite('results');
const folder = temporaryFolder('results');

const [width, height, classes] = [9, 7, 3];
const names = ['2007_000032', '2007_000039', '2007_000061'];
const counts = [5, 0, 4];
const images = names.map((name, i) => ({
  id: Number(name.replace('_', '')),
  fileName: `${name}.jpg`,
  width,
  height,
  count: counts[i],
}));
const categories = ['cat', 'dog', 'sofa'].map((name, i) => ({ id: i + 1, name }));

/** Different in every image; proposal n of an image is a rectangle. */
const scoresOf = (i: number): Float32Array =>
  Float32Array.from({ length: counts[i] * classes }, (_, k) => ((k * 7 + i * 3) % 11) / 11);
const rectangle = (i: number, n: number): [number, number, number, number] => [n, i, n + 3, i + 4];
const boxesOf = (i: number): Float32Array =>
  Float32Array.from(Array.from({ length: counts[i] }, (_, n) => rectangle(i, n)).flat());
const maskOf = (i: number, n: number): Uint8Array => {
  const [x1, y1, x2, y2] = rectangle(i, n);
  return Uint8Array.from({ length: width * height }, (_, p) => {
    const [x, y] = [p % width, Math.floor(p / width)];
    return Number(x >= x1 && x < x2 && y >= y1 && y < y2);
  });
};

async function spooled(): Promise<ScoreSpool> {
  const spool = await ScoreSpool.create(folder, classes);
  for (const [i, { id, fileName }] of images.entries()) {
    if (counts[i] > 0) {
      await spool.add({ file: `/data/VOC2012/JPEGImages/${fileName}`, id }, { scores: scoresOf(i), boxes: boxesOf(i) });
    }
  }
  return spool;
}

const pickle = join(folder, 'detections.pkl');
const tensors = join(folder, 'detections.safetensors');
{
  const spool = await spooled();
  await writeDetectionsPickle(pickle, spool, 'TEST:\n  NMS: 0.3\n');
  await writeDetectionTensors(tensors, spool, categories);
  await spool.close();
  for (const [i, name] of names.entries()) {
    const masks = Array.from({ length: counts[i] }, (_, n) => [...maskOf(i, n)]).flat();
    await writeCobMasks(
      join(folder, 'COB_SBD_val', `${name}.mat`),
      packMasks(masks, counts[i], width, height),
      'cells',
    );
  }
}

test('the pickle has the layout of test_net.py, and nothing temporary is left', async () => {
  const value = (await readPickle(pickle)) as Map<string, unknown>;
  assert.equal([...value.keys()], ['all_boxes', 'cfg']);
  assert.is(value.get('cfg'), 'TEST:\n  NMS: 0.3\n');
  const all = value.get('all_boxes') as Map<string, Map<string, NdArray>>;
  assert.equal(
    [...all.keys()],
    [0, 2].map((i) => `/data/VOC2012/JPEGImages/${images[i].fileName}`),
  );
  const { scores, boxes } = Object.fromEntries(all.get('/data/VOC2012/JPEGImages/2007_000061.jpg')!);
  assert.equal([scores.dtype, scores.shape, [...scores.toFloat32()]], ['float32', [4, 3], [...scoresOf(2)]]);
  assert.equal([boxes.dtype, boxes.shape, [...boxes.toFloat32()]], ['float32', [4, 4], [...boxesOf(2)]]);
  assert.equal(
    readdirSync(folder).filter((name) => name.endsWith('.tmp')),
    [],
  );
});

for (const path of [pickle, tensors]) {
  test(`${path.split('.').at(-1)} is read back`, async () => {
    const source = await openScores(path);
    assert.is(source.classes, classes);
    assert.equal(
      source.images.map(({ count }) => count),
      [5, 4],
    );
    for (const [index, i] of [0, 2].entries()) {
      const { scores, boxes } = await source.read(index);
      assert.equal([...scores], [...scoresOf(i)]);
      assert.equal([...boxes], [...boxesOf(i)]);
    }
    assert.equal(
      [...matchImages(source, images)],
      [
        [images[0].id, 0],
        [images[2].id, 1],
      ],
    );
  });

  test(`instances of ${path.split('.').at(-1)}: selected, with the masks of COB`, async () => {
    const found: CocoResult[] = [];
    for await (const instances of instanceResults({
      source: await openScores(path),
      images,
      categories,
      proposals: folder,
    })) {
      found.push(...instances);
    }
    const expected = [0, 2].flatMap((i) =>
      selectDetections(scoresOf(i), boxesOf(i)).map((one) => ({ ...one, image: i })),
    );
    assert.ok(expected.length > 0);
    assert.equal(
      found.map(({ image_id, category_id, score }) => [image_id, category_id, score]),
      expected.map(({ image, classIndex, score }) => [images[image].id, classIndex + 1, score]),
    );
    for (const [k, { image, proposal }] of expected.entries()) {
      assert.equal(decodeRle(found[k].segmentation!), maskOf(image, proposal));
    }
  });
}

const gt = join(folder, 'voc_2012_val.json');
writeFileSync(
  gt,
  JSON.stringify({
    images: images.map(({ id, fileName }) => ({ id, file_name: fileName, width, height })),
    categories,
    annotations: [0, 2].map((i) => ({
      id: i + 1,
      image_id: images[i].id,
      category_id: 2,
      iscrowd: 0,
      area: 12,
      bbox: [1, i, 3, 4],
      segmentation: [[1, i, 4, i, 4, i + 4, 1, i + 4]],
    })),
  }),
);

test('scores are evaluated like the results selected from them', async () => {
  const results = join(folder, 'out', 'sbd_instance_pred_origin.json');
  const { code, stdout, stderr } = await cim(
    'eval',
    '--gt',
    gt,
    '--dt',
    pickle,
    '--proposals',
    folder,
    '--results',
    results,
  );
  assert.is(code, 0, stderr);
  assert.match(stdout, /^\d+ instances: /);
  const direct = await evaluateFiles({ gt, dt: tensors, proposals: folder, type: 'segm', voc: true });
  const written = await evaluateFiles({ gt, dt: results, type: 'segm', voc: true });
  assert.equal(direct.coco!.stats, written.coco!.stats);
  assert.ok(direct.coco!.stats[0] > 0);
  assert.equal(direct.voc, written.voc);
  // The boxes of dog, one pixel larger than the objects they are of: IoU 12 / 20.
  const boxes = await evaluateFiles({ gt, dt: tensors, type: 'bbox', voc: false });
  assert.ok(boxes.coco!.stats[1] > 0);
  assert.is(boxes.results.length, written.results.length);
  assert.equal([boxes.results[0].segmentation, boxes.results[0].bbox?.slice(2)], [undefined, [4, 5]]);
  assert.match(stderr, /^\d+\.\d\d s, with the start of the program \d+\.\d\d s$/m);
});

test('proposals of our own are found in a run, at the size of the file', async () => {
  const run = join(folder, 'run');
  const size = { width: 5, height: 3 };
  const proposals = {
    ...size,
    count: 2,
    labels: Uint16Array.of(0, 0, 3, 3, 1, 0, 2, 2, 3, 1, 3, 3, 3, 3, 1),
    leafCount: 4,
    members: Uint32Array.of(0b101, 0b1010),
    scores: Float32Array.of(1.5, -0.25),
  };
  const origin = { image: 'a.jpg', options: { superpixels: 40, limit: 2 } };
  await writeProposals(join(run, 'proposals', '7.safetensors'), proposals, origin);
  const image = { id: 7, fileName: 'a.jpg', width: 10, height: 6 };
  const { count, mask } = await readProposalMasks(run, image);
  assert.is(count, 2);
  const small = proposals.labels.map((leaf) => Number(leaf === 0 || leaf === 2));
  const expected = Uint8Array.from({ length: 60 }, (_, p) => small[5 * Math.floor(p / 20) + ((p % 10) >> 1)]);
  assert.equal(decodeRle(mask(0)), expected);
  const error = await rejection(readProposalMasks(run, { ...image, fileName: 'b.jpg' }));
  assert.instance(error, DataError);
});

test('what does not belong together is refused', async () => {
  const rejects = async (work: Promise<unknown>, pattern: RegExp): Promise<void> => {
    const error = await rejection(work);
    assert.instance(error, DataError);
    assert.match(error.message, pattern);
  };
  const source = await openScores(pickle);
  const collect = async (options: Partial<Parameters<typeof instanceResults>[0]>): Promise<void> => {
    for await (const _ of instanceResults({ source, images, categories, proposals: folder, ...options }));
  };
  await rejects(collect({ categories: categories.slice(1) }), /scores 3 classes, the annotations have 2/);
  await rejects(
    collect({ images: images.slice(0, 2) }),
    /1 of the 2 images .* not in the annotations: 2007_000061\.jpg/,
  );
  await rejects(collect({ proposals: join(folder, 'out') }), /no proposals of 2007_000032\.jpg/);
  await rejects(collect({ images: images.map((image) => ({ ...image, width: 8 })) }), /are 9×7, .* is 8×7/);
  const fewer: ScoreSource = { ...source, images: source.images.map((image) => ({ ...image, count: 2 })) };
  await rejects(collect({ source: fewer }), /2 proposals of 2007_000032\.jpg were scored, there are 5/);
  const bad = join(folder, 'bad.pkl');
  await writePickle(bad, { all_boxes: { 'a.jpg': { scores: new NdArray('float32', [2], new Float32Array(2)) } } });
  await rejects(readDetectionsPickle(bad), /bad\.pkl .*"scores" of a\.jpg/);
  await writePickle(bad, [1]);
  await rejects(readDetectionsPickle(bad), /it is no dict/);
  const refused = await cim('eval', '--gt', gt, '--dt', pickle);
  assert.is(refused.code, 1);
  assert.match(refused.stderr, /holds scores of proposals, not their masks/);
});

interface VocBoxes {
  readonly ap: readonly {
    readonly use_07_metric: boolean;
    readonly classes: readonly string[];
    readonly images: readonly string[];
    readonly gt_boxes_1_based_inclusive: Record<string, { name: string; difficult: number; bbox: number[] }[]>;
    readonly detections_x1y1x2y2score_0_based: Record<string, Record<string, number[][]>>;
    readonly expected: Record<string, { ap: number }>;
  }[];
}

test('VOC boxes through the command, from XML and from COCO boxes', async () => {
  const file = fileURLToPath(new URL('../golden/coco/voc_boxes.json', import.meta.url));
  const golden = (JSON.parse(readFileSync(file, 'utf8')) as VocBoxes).ap.find((one) => !one.use_07_metric)!;
  const truth = golden.gt_boxes_1_based_inclusive;
  const set = golden.images.map((name, i) => ({ id: i + 1, file_name: `${name}.jpg`, width: 500, height: 500 }));
  const listed = golden.classes.map((name, i) => ({ id: i + 1, name }));
  const objects = golden.images.flatMap((name, i) => truth[name].map((object) => ({ ...object, image_id: i + 1 })));
  const annotations = objects.map(({ name, difficult, bbox: [x1, y1, x2, y2], image_id }, i) => ({
    id: i + 1,
    image_id,
    category_id: golden.classes.indexOf(name) + 1,
    ignore: difficult,
    area: 1,
    bbox: [x1 - 1, y1 - 1, x2 - x1 + 1, y2 - y1 + 1],
  }));
  const results = golden.classes.flatMap((name, c) =>
    golden.images.flatMap((image, i) =>
      golden.detections_x1y1x2y2score_0_based[name][image].map(([x1, y1, x2, y2, score]) => ({
        image_id: i + 1,
        category_id: c + 1,
        score,
        bbox: [x1, y1, x2 - x1 + 1, y2 - y1 + 1],
      })),
    ),
  );
  const [gtFile, dtFile, json] = ['boxes-gt.json', 'boxes-dt.json', 'boxes.json'].map((name) => join(folder, name));
  writeFileSync(gtFile, JSON.stringify({ images: set, categories: listed, annotations }));
  writeFileSync(dtFile, JSON.stringify(results));
  const xml = join(folder, 'COB_SBD_val'); // any folder
  for (const name of golden.images) {
    const inside = truth[name].map(({ name: label, difficult, bbox: [x1, y1, x2, y2] }) =>
      [
        `<object><name>${label}</name><difficult>${difficult}</difficult><bndbox>`,
        `<xmin>${x1}</xmin><ymin>${y1}</ymin><xmax>${x2}</xmax><ymax>${y2}</ymax></bndbox></object>`,
      ].join(''),
    );
    const size = '<size><width>500</width><height>500</height><depth>3</depth></size>';
    writeFileSync(join(xml, `${name}.xml`), `<annotation>${size}${inside.join('')}</annotation>`);
  }
  const comp4 = join(folder, 'Main');
  for (const source of [[], ['--annotations', xml]]) {
    const args = ['--gt', gtFile, '--dt', dtFile, '--voc-boxes', '--json', json, '--comp4', comp4, ...source];
    const { code, stderr, stdout } = await cim('eval', ...args);
    assert.is(code, 0, stderr);
    assert.match(stdout, /^boxes, % +AP +AP 11 points +CorLoc$/m);
    const { byClass } = JSON.parse(readFileSync(json, 'utf8')) as { byClass: { name: string; ap: number }[] };
    for (const { name, ap } of byClass) assert.ok(Math.abs(ap - golden.expected[name].ap) < 1e-9, `${name} ${ap}`);
  }
  const lines = readFileSync(join(comp4, `comp4_det_val_${golden.classes[0]}.txt`), 'utf8').split('\n');
  assert.match(lines[0], /^2008_000190 \d\.\d{3}( \d+\.\d){4}$/);
  assert.ok(existsSync(join(comp4, `comp4_det_val_${golden.classes.at(-1)}.txt`)));
  const discovery = ['--dt', dtFile, '--voc-boxes', '--comp4', comp4, '--image-set', 'trainaug'];
  assert.is((await cim('eval', '--gt', gtFile, ...discovery)).code, 0);
  const best = readFileSync(join(comp4, `comp4_det_trainaug_${golden.classes[0]}.txt`), 'utf8')
    .trim()
    .split('\n');
  assert.is(new Set(best.map((line) => line.split(' ')[0])).size, best.length, 'one box an image');
});

test.run();
