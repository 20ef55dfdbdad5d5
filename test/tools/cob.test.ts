/** Files of proposals as the original has them, and what training takes from them. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeRle } from '@cim/model/evaluate/rle';
import { OverlapCache, type PackedMasks, packMasks, unpackMask } from '@cim/model/masks/index';
import { testDevice } from '@cim/runtime/testing';
import { DataError } from '@cim/tools/errors';
import { NdArray, narrowFloat16 } from '@cim/tools/formats/ndarray';
import { type Picklable, readPickle, writePickle } from '@cim/tools/formats/pickle';
import { CobProposals } from '@cim/tools/proposals/cob';
import { findCobFile, readCobMasks } from '@cim/tools/proposals/cob-mat';
import { writeCobMasks } from '@cim/tools/proposals/cob-mat-writer';
import { cobRegions, readCobPickle, writeCobPickle } from '@cim/tools/proposals/cob-pickle';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { golden } from '../golden.ts';
import { rejection } from '../rejection.ts';
import { temporaryFolder } from './tiny-run.ts';

const test = suite('COB proposals');
const folder = temporaryFolder('cob');

/** The masks of a golden file. */
async function goldenMasks(name: string): Promise<PackedMasks> {
  const file = await golden(name);
  const [count, height, width] = file.shape('in.masks');
  return packMasks(file.bytes('in.masks'), count, width, height);
}
const voc = await goldenMasks('mask_ops_voc');
const coco = await goldenMasks('mask_ops_coco');

function put(path: string, bytes: Uint8Array | string): string {
  const file = join(folder, path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, bytes);
  return file;
}

test('masks are written and read in both layouts, wherever COCO keeps them', async () => {
  const root = join(folder, 'both');
  await writeCobMasks(join(root, 'COB_SBD_val/2007_000032.mat'), voc, 'cells');
  await writeCobMasks(join(root, 'COB-COCO/COCO_val2014_000000000042.mat'), coco, 'array');
  await writeCobMasks(join(root, 'COB-COCO/000000000043.mat'), coco, 'array');
  const first = findCobFile(root, '2007_000032.jpg');
  assert.match(first!, 'COB_SBD_val');
  assert.equal(await readCobMasks(first!), voc);
  assert.equal(await readCobMasks(findCobFile(root, '000000000042.jpg')!), coco);
  assert.match(findCobFile(root, '000000000043.jpg')!, 'COB-COCO/000000000043.mat');
  assert.is(findCobFile(root, '000000000044.jpg'), undefined);
  await writeCobMasks(join(root, 'COB_SBD_trainaug/2007_000032.mat'), coco, 'cells');
  assert.equal(await readCobMasks(findCobFile(root, '2007_000032.jpg')!), coco, 'trainaug comes first');
});

test('files that are no proposals are refused by name', async () => {
  const none = { ...voc, words: voc.words.slice() };
  none.words.fill(0, 0, none.words.length / none.count);
  await writeCobMasks(join(folder, 'empty.mat'), none, 'cells');
  const whole = await rejection(readCobMasks(join(folder, 'empty.mat')));
  assert.instance(whole, DataError);
  assert.match(whole.message, /empty\.mat: mask 0 is empty/);
  for (const [name, bytes] of [
    ['text.mat', 'not a MATLAB file'],
    ['zero.mat', ''],
  ]) {
    const error = await rejection(readCobMasks(put(name, bytes)));
    assert.instance(error, DataError);
    assert.match(error.message, name);
  }
});

for (const name of ['mask_ops_voc', 'mask_ops_coco', 'mask_7x7_sizes']) {
  test(`${name}: boxes and 7×7 masks are the original's, before and after the file`, async () => {
    const file = await golden(name);
    const regions = cobRegions(await goldenMasks(name));
    const path = join(folder, `${name}.pkl`);
    await writeCobPickle(path, new Map([[7, regions]]));
    for (const { boxes, masks } of [regions, (await readCobPickle(path)).get(7)!]) {
      assert.equal([...boxes], [...file.data('out.boxes')]);
      assert.equal([...masks], [...file.data('out.masks_7x7')]);
    }
  });
}

test('a pickle lists its images in ascending order, with the dtypes of the original', async () => {
  const path = join(folder, 'order.pkl');
  const [a, b] = [cobRegions(voc), cobRegions(coco)];
  await writeCobPickle(
    path,
    new Map([
      [2011003276, a],
      [2007000032, b],
    ]),
  );
  const value = (await readPickle(path)) as Map<string, unknown[]>;
  assert.equal([...value.keys()], ['indexes', 'masks', 'boxes', 'scores']);
  assert.equal(value.get('indexes'), [2007000032, 2011003276]);
  const [boxes, masks, scores] = ['boxes', 'masks', 'scores'].map((key) => value.get(key)![1] as NdArray);
  assert.equal([boxes.dtype, masks.dtype, scores.dtype], ['uint16', 'bool', 'float64']);
  assert.equal([boxes.shape, masks.shape, scores.shape], [[31, 4], [31, 7, 7], [31]]);
  assert.equal([...scores.data], new Array(31).fill(0));
  assert.equal([...(await readCobPickle(path)).keys()], [2007000032, 2011003276]);
});

test('a damaged pickle is refused by name', async () => {
  const path = join(folder, 'damaged.pkl');
  const { boxes, masks } = cobRegions(voc);
  const good = {
    ids: [5],
    boxes: [new NdArray('uint16', [31, 4], boxes)],
    masks: [new NdArray('bool', [31, 7, 7], masks)],
  };
  await writePickle(path, good);
  assert.equal((await readCobPickle(path)).get(5), { boxes, masks });
  for (const [value, message] of [
    [[], /no dict/],
    [{ ...good, boxes: 3 }, /no list "boxes"/],
    [{ ...good, ids: [5, 6] }, /lists 2 images, 1 arrays of boxes/],
    [{ ...good, ids: ['x'] }, /has the id x/],
    [
      { ids: [5, 5], boxes: [...good.boxes, ...good.boxes], masks: [...good.masks, ...good.masks] },
      /image 5 stands twice/,
    ],
    [{ ...good, boxes: [new NdArray('uint16', [62, 2], boxes)] }, /boxes of image 5 are no array N×4/],
    [{ ...good, masks: [new NdArray('bool', [31, 49], masks)] }, /masks of image 5 are 31×49, not 31×7×7/],
  ] as [Picklable, RegExp][]) {
    await writePickle(path, value);
    const error = await rejection(readCobPickle(path));
    assert.instance(error, DataError);
    assert.match(error.message, message);
    assert.match(error.message, path);
  }
});

const root = join(folder, 'VOC2012');
await writeCobMasks(join(root, 'COB_SBD_trainaug/2007_000032.mat'), voc, 'cells');
const entry = {
  id: 2007000032,
  file: join(root, 'JPEGImages/2007_000032.jpg'),
  fileName: '2007_000032.jpg',
  labels: [0],
};
const original = { width: voc.width, height: voc.height };
const warnings: string[] = [];
const report = { warn: (message: string) => warnings.push(message) };

test('a source of proposals: clipped boxes, regions of the pickle, masks at the size of the file', async () => {
  const computed = cobRegions(voc);
  const source = new CobProposals(root, report);
  const found = (await source.load(entry, { ...original, original }))!;
  assert.equal(found.network.masks, voc);
  assert.equal([...found.network.regionMasks], [...computed.masks]);
  const clipped = [...computed.boxes].map((v, i) => Math.min(v, (i % 2 === 0 ? voc.width : voc.height) - 1));
  assert.equal([...found.boxes], clipped);
  assert.equal([...found.network.boxes], clipped);
  assert.ok(
    clipped.some((v, i) => v !== computed.boxes[i]),
    'a box touches the border',
  );
  assert.equal(
    Array.from({ length: voc.count }, (_, n) => decodeRle(found.fileMask(n))),
    Array.from({ length: voc.count }, (_, n) => unpackMask(voc, n)),
  );

  // The regions of the pickle are used as they stand, if it is of the same boxes.
  const path = join(folder, 'cob/voc_2012_trainaug.pkl');
  const masks = computed.masks.map((v) => 1 - v);
  await writeCobPickle(path, new Map([[entry.id, { ...computed, masks }]]));
  const given = await new CobProposals(root, report).load(entry, {
    ...original,
    original,
  });
  assert.equal([...given!.network.regionMasks], [...masks]);
  const other = { ...entry, id: 1 };
  const unlisted = await new CobProposals(root, report).load(other, {
    ...original,
    original,
  });
  assert.equal([...unlisted!.network.regionMasks], [...computed.masks]);
  for (const [boxes, message] of [
    [computed.boxes.map((v, i) => v + (i === 9 ? 1 : 0)), /box 2 differs/],
    [computed.boxes.subarray(0, 4 * 30), /30 proposals, now there are 31/],
  ] as [Uint16Array<ArrayBuffer>, RegExp][]) {
    const count = boxes.length / 4;
    await writeCobPickle(path, new Map([[entry.id, { boxes, masks: masks.subarray(0, 49 * count) }]]));
    const stale = await rejection(new CobProposals(root, report).load(entry, { ...original, original }));
    assert.instance(stale, DataError);
    assert.match(stale.message, /is stale/);
    assert.match(stale.message, message);
  }
  rmSync(path);
});

test("COCO's pickle is that of the image's folder", async () => {
  const set = join(folder, 'coco2017');
  const image = { id: 42, file: join(set, 'val2017/000000000042.jpg'), fileName: '000000000042.jpg', labels: [0] };
  const coco17 = { width: coco.width, height: coco.height };
  await writeCobMasks(join(set, 'COB-COCO/COCO_val2014_000000000042.mat'), coco, 'array');
  const computed = cobRegions(coco);
  const masks = computed.masks.map((v) => 1 - v);
  await writeCobPickle(join(folder, 'cob/coco_2017_val.pkl'), new Map([[42, { ...computed, masks }]]));
  const source = new CobProposals(set, report);
  const found = await source.load(image, { ...coco17, original: coco17 });
  assert.equal([...found!.network.regionMasks], [...masks]);
  const train = { ...image, file: join(set, 'train2017/000000000042.jpg') };
  const other = await source.load(train, { ...coco17, original: coco17 });
  assert.equal([...other!.network.regionMasks], [...computed.masks]);
});

test('a smaller working image sees nearest pixels, and no proposal vanishes', async () => {
  const source = new CobProposals(root, report);
  const size = { width: 9, height: 7, original };
  const { network, boxes } = (await source.load(entry, size))!;
  assert.equal([network.masks.width, network.masks.height, network.masks.count], [9, 7, voc.count]);
  for (let n = 0; n < voc.count; n++) {
    const [small, large] = [unpackMask(network.masks, n), unpackMask(voc, n)];
    assert.ok(small.includes(1));
    const sampled = small.map((_, p) => {
      const [row, column] = [Math.floor(p / 9), p % 9];
      const at = Math.floor(((row + 0.5) * voc.height) / 7) * voc.width;
      return large[at + Math.floor(((column + 0.5) * voc.width) / 9)];
    });
    if (sampled.includes(1)) assert.equal(small, sampled);
    else
      assert.is(
        small.reduce((a, b) => a + b, 0),
        1,
      );
  }
  network.boxes.forEach((value, i) => {
    const scale = i % 2 === 0 ? 9 / voc.width : 7 / voc.height;
    assert.is(value, Math.fround(boxes[i] * scale));
  });
});

test('overlaps are taken from the files, if both are there and of as many proposals', async () => {
  const file = await golden('mask_ops_voc');
  const source = new CobProposals(root, report);
  const load = async () => (await source.load(entry, { ...original, original }))!.network.overlaps;
  const write = (folder: string, shape: number[], values: Float32Array) =>
    writePickle(
      join(root, '..', folder, 'VOC2012/2007_000032.pkl'),
      new NdArray('float16', shape, narrowFloat16(values) as Uint16Array<ArrayBuffer>),
    );
  await write('cob_iou', [31, 31], file.data('out.iou_map'));
  assert.is(await load(), undefined);
  await write('cob_asy_iou', [31, 31], file.data('out.asy_iou_map'));
  assert.equal(await load(), { iou: file.data('out.iou_map'), containment: file.data('out.asy_iou_map') });
  const device = await testDevice();
  const cache = new OverlapCache(device);
  const uploaded = cache.get({ ...voc }, await load());
  const made = cache.get(voc);
  assert.equal(await uploaded.iou.read(), await made.iou.read());
  assert.equal(await uploaded.containment.read(), await made.containment.read());
  cache.dispose();
  for (const [shape, values, message] of [
    [[30, 30], file.data('out.iou_map').subarray(0, 900), /is 30×30, for 31 proposals it should be 31×31/],
    [[31, 31], new Float32Array(961).fill(0.5), /proposal 0 overlaps itself by 0.5/],
  ] as [number[], Float32Array, RegExp][]) {
    await write('cob_asy_iou', shape, values);
    const error = await rejection(load());
    assert.instance(error, DataError);
    assert.match(error.message, message);
  }
});

test('proposals of another size, or none at all, are told of', async () => {
  const source = new CobProposals(root, report);
  const size = { width: 5, height: 5, original: { width: 5, height: 5 } };
  const error = await rejection(source.load(entry, size));
  assert.instance(error, DataError);
  assert.match(error.message, /are 70×53, .*2007_000032\.jpg is 5×5/);
  const missing = await rejection(source.load({ ...entry, fileName: '2008_000001.jpg' }, size));
  assert.instance(missing, DataError);
  assert.match(missing.message, '2008_000001.mat is missing');
  await writeCobMasks(
    join(root, 'COB_SBD_val/2008_000002.mat'),
    { words: new Uint32Array(), count: 0, ...original },
    'cells',
  );
  assert.is(await source.load({ ...entry, fileName: '2008_000002.jpg' }, size), null);
  assert.equal(warnings, ['2008_000002.jpg has no proposals: it is left out.']);
});

test.run();
