/** `cim data` on made-up data sets of a few pictures, fetched from a server of this process. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { testDevice } from '@cim/runtime/testing';
import { type Checked, checklistLines, remedyLines, stateOf } from '@cim/tools/data/checklist';
import type { Checksum } from '@cim/tools/data/download';
import { imageNames } from '@cim/tools/data/listed';
import { type PrepareOptions, prepareData } from '@cim/tools/data/prepare';
import { openSplits } from '@cim/tools/datasets/open';
import { DataError, DownloadError } from '@cim/tools/errors';
import { CobProposals } from '@cim/tools/proposals/cob';
import { readCobMasks } from '@cim/tools/proposals/cob-mat';
import { readCobPickle } from '@cim/tools/proposals/cob-pickle';
import sharp from 'sharp';
import { create } from 'tar';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { zip } from './archives.ts';
import { cim } from './cim.ts';
import { temporaryFolder } from './tiny-run.ts';
import { TINY_NAMES, writeTinyVoc } from './tiny-voc.ts';

const test = suite('data');
const folder = temporaryFolder('data');

const served = new Map<string, Buffer>();
const requests: string[] = [];
const server = createServer((request, response) => {
  const name = basename(request.url ?? '');
  requests.push(name);
  const body = served.get(name);
  if (body) response.setHeader('content-length', body.length).end(body);
  else response.writeHead(404).end();
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
test.after(() => {
  server.closeAllConnections();
  server.close();
});
const mirror = `http://127.0.0.1:${(server.address() as AddressInfo).port}/files/`;
const digest = (bytes: Buffer): Checksum => ({
  algorithm: 'md5',
  digest: createHash('md5').update(bytes).digest('hex'),
});

const quiet = { progress: () => ({ advance: () => {}, stop: () => {} }), info: () => {}, warn: () => {} };
const prepare = (kind: 'voc' | 'coco', root: string, options: Partial<PrepareOptions> = {}): Promise<Checked[]> =>
  prepareData(
    kind,
    {
      root,
      download: false,
      test: false,
      checksums: new Map([...served].map(([name, bytes]) => [name, digest(bytes)])),
      mirror,
      ...options,
    },
    async (work) => work(await testDevice()),
    quiet,
  );
const states = (checked: readonly Checked[]): Record<string, string> =>
  Object.fromEntries(checked.map(({ item, found }) => [item.path, stateOf(found)]));
const lacking = (checked: readonly Checked[]): string[] =>
  checked.filter(({ item, found }) => item.needed && stateOf(found) !== 'present').map(({ item }) => item.path);

// The archives as they are published, of four pictures.
const source = join(folder, 'source');
await writeTinyVoc(join(source, 'VOCdevkit/VOC2012'));
mkdirSync(join(source, 'benchmark_RELEASE'));
const tarOf = async (file: string, name: string, options: object) => {
  await create({ cwd: source, file: join(folder, file), portable: true, ...options }, [name]);
  served.set(file, readFileSync(join(folder, file)));
};
await tarOf('VOCtrainval_11-May-2012.tar', 'VOCdevkit', { filter: (path: string) => !path.includes('SBD') });
mkdirSync(join(source, 'benchmark_RELEASE/dataset/cls'), { recursive: true });
writeFileSync(join(source, 'benchmark_RELEASE/dataset/cls/x.mat'), 'not wanted');
for (const name of ['train.txt', 'val.txt', 'inst/2008_000001.mat']) {
  const to = join(source, 'benchmark_RELEASE/dataset', name);
  mkdirSync(join(to, '..'), { recursive: true });
  writeFileSync(to, readFileSync(join(source, 'VOCdevkit/VOC2012/SBD', name)));
}
await tarOf('benchmark.tgz', 'benchmark_RELEASE', { gzip: true });
served.set('resnet50-0676ba61.pth', Buffer.from('weights'));

test('an empty folder: everything that is needed is missing, and where it comes from is said', async () => {
  const { code, stdout, stderr } = await cim('data', 'voc', '--root', join(folder, 'none'));
  assert.is(code, 1);
  assert.match(stdout, /missing {5}needed {4}VOC2012\/JPEGImages/);
  assert.match(stdout, 'http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar');
  assert.match(stdout, /missing {5}optional {2}model_weight\/prm_voc\.pth/);
  assert.match(stderr, '10 needed items are not complete.');
  assert.match(stderr, 'Run the command again with --download.');
  assert.match(stderr, /VOC2012\/COB_SBD_val: Fetch it by hand from https:\/\/drive\.google\.com/);
});

const root = join(folder, 'data');

test('VOC is fetched, extracted and converted', async () => {
  const checked = await prepare('voc', root, { download: true });
  assert.equal(lacking(checked), ['VOC2012/COB_SBD_trainaug', 'VOC2012/COB_SBD_val']);
  assert.equal([...requests].sort(), ['VOCtrainval_11-May-2012.tar', 'benchmark.tgz', 'resnet50-0676ba61.pth']);
  assert.equal(readdirSync(join(root, 'downloads')), []);
  assert.not(existsSync(join(root, 'VOC2012/SBD/cls')));
  assert.is(readFileSync(join(root, 'model_weight/resnet50-0676ba61.pth'), 'utf8'), 'weights');
  const { train, val } = await openSplits(join(root, 'VOC2012'));
  assert.equal([train.images.length, val.images.length], [3, 1]);
  assert.equal(train.images[1].labels, [1, 14], 'from SBD');

  requests.length = 0;
  const again = await prepare('voc', root, { download: true });
  assert.equal(requests, [], 'what is there is not fetched again');
  assert.equal(states(again), states(checked));
});

test('proposals of our own fill the original layout', async () => {
  const checked = await prepare('voc', root, { proposals: 'make' });
  assert.equal(lacking(checked), []);
  assert.equal(remedyLines(checked), []);
  assert.equal(states(checked)['cob/voc_2012_val.pkl'], 'present');
  const { train } = await openSplits(join(root, 'VOC2012'));
  const pickle = join(root, 'cob/voc_2012_trainaug.pkl');
  assert.equal(
    [...(await readCobPickle(pickle)).keys()],
    train.images.map(({ id }) => id),
  );
  const proposals = new CobProposals(join(root, 'VOC2012'), quiet);
  const size = { width: 30, height: 20 };
  for (const image of train.images) {
    const found = await proposals.load(image, { ...size, original: size });
    assert.ok(found && found.network.masks.count > 0);
    assert.is(found.boxes.length, 4 * found.network.masks.count);
  }
  const first = join(root, 'VOC2012/COB_SBD_trainaug', `${TINY_NAMES[0]}.mat`);
  const before = readFileSync(first);
  await prepare('voc', root, { proposals: 'make' });
  assert.equal(readFileSync(first), before, 'what is there is kept');
});

test('what is incomplete is named', async () => {
  rmSync(join(root, 'VOC2012/COB_SBD_trainaug', `${TINY_NAMES[1]}.mat`));
  rmSync(join(root, 'VOC2012/JPEGImages', `${TINY_NAMES[3]}.jpg`));
  const checked = await prepare('voc', root);
  assert.equal(lacking(checked), ['VOC2012/JPEGImages', 'VOC2012/COB_SBD_trainaug']);
  const lines = checklistLines(checked).join('\n');
  assert.match(lines, 'incomplete  needed    VOC2012/JPEGImages: 3 of 4 files, missing 2007_000033.jpg');
  assert.match(lines, 'VOC2012/COB_SBD_trainaug: 2 of 3 files, missing 2008_000001.mat');
  assert.match(lines, 'present     needed    VOC2012/COB_SBD_val\n');
  const error = await rejection(prepare('voc', root, { proposals: 'cob' }));
  assert.instance(error, DataError);
  assert.match(error.message, '2007_000033.jpg');
});

test('a server without the file, or with another one, is an error', async () => {
  const other = join(folder, 'other');
  const error = await rejection(prepare('voc', other, { download: true, checksums: new Map() }));
  assert.instance(error, DownloadError);
  assert.match(error.message, /VOCtrainval_11-May-2012\.tar has \d+ bytes; the published file has 1999639040/);
  const missing = await rejection(prepare('coco', other, { download: true }));
  assert.instance(missing, DownloadError);
  assert.match(missing.message, 'answers 404');
});

test('COCO: archives, proposals as one array a file, test-dev on request', async () => {
  const coco = join(folder, 'coco');
  const categories = [{ id: 1, name: 'person' }];
  const image = (id: number) => ({ id, file_name: `${String(id).padStart(12, '0')}.jpg`, width: 24, height: 16 });
  const annotations = [{ id: 1, image_id: 9, category_id: 1, bbox: [1, 1, 9, 9], area: 50, iscrowd: 0 }];
  const background = { r: 90, g: 20, b: 200 };
  const jpeg = await sharp({ create: { width: 24, height: 16, channels: 3, background } })
    .jpeg()
    .toBuffer();
  const json = (ids: number[]) =>
    JSON.stringify({ images: ids.map(image), categories, annotations: ids.includes(9) ? annotations : [] });
  served.set(
    'annotations_trainval2017.zip',
    zip([
      { name: 'annotations/instances_train2017.json', data: json([9, 25]) },
      { name: 'annotations/instances_val2017.json', data: json([139]) },
      { name: 'annotations/captions_val2017.json', data: 'not wanted' },
    ]),
  );
  served.set('image_info_test2017.zip', zip([{ name: 'annotations/image_info_test-dev2017.json', data: json([1]) }]));
  for (const [split, ids] of [
    ['train', [9, 25]],
    ['val', [139]],
    ['test', [1]],
  ] as const) {
    served.set(
      `${split}2017.zip`,
      zip([
        { name: `${split}2017/`, data: '' },
        ...ids.map((id) => ({ name: `${split}2017/${image(id).file_name}`, data: jpeg })),
      ]),
    );
  }
  requests.length = 0;
  const checked = await prepare('coco', coco, { download: true });
  assert.equal(lacking(checked), ['coco2017/COB-COCO']);
  assert.not(requests.includes('test2017.zip'));
  assert.equal(readdirSync(join(coco, 'coco2017/annotations')).sort(), [
    'instances_train2017.json',
    'instances_val2017.json',
  ]);
  const made = await prepare('coco', coco, { download: true, test: true, proposals: 'make' });
  assert.equal(lacking(made), []);
  assert.is(states(made)['coco2017/test2017'], 'present');
  assert.equal(readdirSync(join(coco, 'cob')).sort(), [
    'coco_2017_test.pkl',
    'coco_2017_train.pkl',
    'coco_2017_val.pkl',
  ]);
  const masks = await readCobMasks(join(coco, 'coco2017/COB-COCO/000000000139.mat'));
  assert.equal([masks.width, masks.height], [24, 16]);
  const { train, val } = await openSplits(join(coco, 'coco2017'));
  assert.equal([train.images[0].labels, train.images[1].labels, val.images.length], [[0], [], 1]);
});

test('names are found in a COCO file of any size and form', async () => {
  const file = join(folder, 'names.json');
  const names = Array.from({ length: 120_000 }, (_, i) => String(i).padStart(12, '0'));
  writeFileSync(file, JSON.stringify({ images: names.map((name) => ({ file_name: `${name}.jpg`, id: 1 })) }));
  assert.equal(await imageNames(file), names);
  writeFileSync(file, '{"images": [\n {"file_name" : "sub/a.b.jpg"}, {"id": 3}]}');
  assert.equal(await imageNames(file), ['a.b']);
});

test.run();
