/** Damaged copies of the files that a data set brings, read as data sets are; readers.ts has the formats themselves. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packMasks } from '@cim/model/masks/index';
import { ReportedError } from '@cim/runtime/errors';
import { extract } from '@cim/tools/data/extract';
import { VOC_CLASSES } from '@cim/tools/data/voc/classes';
import { readNames } from '@cim/tools/data/voc/image-sets';
import { readSbdInstances, readVocInstances } from '@cim/tools/data/voc/instances';
import { readPoints } from '@cim/tools/datasets/points';
import { readCobMasks } from '@cim/tools/proposals/cob-mat';
import { writeCobMasks } from '@cim/tools/proposals/cob-mat-writer';
import { cobRegions, readCobPickle, writeCobPickle } from '@cim/tools/proposals/cob-pickle';
import { create } from 'tar';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { zip } from '../tools/archives.ts';
import { temporaryFolder } from '../tools/tiny-run.ts';
import { TINY, TINY_NAMES, writeTinyVoc } from '../tools/tiny-voc.ts';
import { mutate, seededRandom } from './mutate.ts';

const test = suite('damaged data sets');
const folder = temporaryFolder('fuzz');
const root = join(folder, 'VOC2012');
const put = await writeTinyVoc(root);
const [masked, sbd] = TINY_NAMES;
const masks = packMasks(
  Uint8Array.from({ length: 3 * 12 * 9 }, (_, i) => (i % 5 < 2 ? 1 : 0)),
  3,
  12,
  9,
);
put('Center_points/2007_000032.txt', '6.9 5.2 0 1.0\n17 12 14 0.5\n');
put('names.txt', '2007_000032\n2008_000001\n');
await writeCobMasks(join(root, 'cells.mat'), masks, 'cells');
await writeCobMasks(join(root, 'array.mat'), masks, 'array');
await writeCobPickle(join(root, 'cob.pkl'), new Map([[5, cobRegions(masks)]]));
put(
  'a.zip',
  zip([
    { name: 'a/b.txt', data: 'some text' },
    { name: 'c', data: 'more' },
  ]),
);
await create({ cwd: root, file: join(root, 'a.tgz'), gzip: true, portable: true }, ['ImageSets']);
await create({ cwd: root, file: join(root, 'a.tar'), portable: true }, ['ImageSets']);

const entry = { fileName: '2007_000032.jpg', labels: [0, 14] };
const classes = VOC_CLASSES.map((name, i) => ({ id: i + 1, name }));
const size = { ...TINY, original: TINY };

/** Milliseconds that reading a small file may take on a busy machine. */
const PATIENCE = 5000;

const KINDS: [file: string, copies: number, read: (path: string) => Promise<unknown>][] = [
  ['names.txt', 1000, readNames],
  ['Center_points/2007_000032.txt', 1000, () => readPoints(root, entry, classes, size)],
  [`SBD/inst/${sbd}.mat`, 1000, readSbdInstances],
  ['cells.mat', 1000, readCobMasks],
  ['array.mat', 1000, readCobMasks],
  ['cob.pkl', 1000, readCobPickle],
  [
    `SegmentationObject/${masked}.png`,
    200,
    (path) => readVocInstances(path, join(root, 'SegmentationClass', `${masked}.png`)),
  ],
  ['a.zip', 200, (path) => extract(path, join(folder, 'out'))],
  ['a.tar', 200, (path) => extract(path, join(folder, 'out'))],
  ['a.tgz', 200, (path) => extract(path, join(folder, 'out'))],
];
for (const [name, copies, read] of KINDS) {
  test(name, async () => {
    const file = join(root, name);
    const bytes = readFileSync(file);
    await read(file); // whole it can be read
    let refused = 0;
    for (let seed = 0; seed < copies; seed++) {
      writeFileSync(file, mutate(bytes, seededRandom(seed)));
      const begin = performance.now();
      try {
        await read(file);
      } catch (error) {
        refused++;
        assert.instance(error, ReportedError, `copy ${seed}: ${(error as Error).stack}`);
        assert.ok((error as ReportedError).remedy, `copy ${seed}`);
      }
      assert.ok(performance.now() - begin < PATIENCE, `copy ${seed}`);
    }
    writeFileSync(file, bytes);
    assert.ok(refused > copies / 10, `${refused} of ${copies} refused`);
  });
}

test.run();
