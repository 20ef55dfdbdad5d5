import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeRle } from '@cim/model/evaluate/rle';
import { imageProposals } from '@cim/model/infer/image-proposals';
import { maskBox, unpackMask } from '@cim/model/masks/index';
import type { Proposals } from '@cim/model/proposals/proposals';
import { DataError } from '@cim/tools/errors';
import { writeSafetensors } from '@cim/tools/formats/safetensors';
import { readProposals, writeProposals } from '@cim/tools/proposals/files';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';

const test = suite('proposal files');
const folder = await mkdtemp(join(tmpdir(), 'proposals-'));
test.after(() => rm(folder, { recursive: true }));

const SIZE = { width: 5, height: 3 };
const ORIGIN = { image: 'a.jpg', options: { superpixels: 40, limit: 2 } };
const EXPECTED = { ...SIZE, ...ORIGIN };
/** Two words a leaf set: leaf 33 makes the second one necessary. */
const proposals: Proposals = {
  ...SIZE,
  count: 2,
  labels: Uint16Array.of(0, 0, 33, 33, 1, 0, 2, 2, 33, 1, 3, 3, 3, 3, 1),
  leafCount: 34,
  members: Uint32Array.of(0b101, 0b10, 0xffffffff, 0),
  scores: Float32Array.of(1.5, -0.25),
};

async function failure(path: string, expected = EXPECTED): Promise<Error> {
  const error = await rejection(readProposals(path, expected));
  assert.instance(error, DataError);
  assert.ok(error.message.includes(path));
  assert.match(error.remedy ?? '', 'cim proposals');
  return error;
}

test('what is written is read', async () => {
  const path = join(folder, 'a.safetensors');
  await writeProposals(path, proposals, ORIGIN);
  assert.equal(await readProposals(path, EXPECTED), proposals);
  const none = { ...proposals, count: 0, members: new Uint32Array(0), scores: new Float32Array(0) };
  await writeProposals(path, none, ORIGIN);
  assert.equal(await readProposals(path, EXPECTED), none);
});

test('a file made of another image, size or with other options is refused', async () => {
  const path = join(folder, 'stale.safetensors');
  await writeProposals(path, proposals, ORIGIN);
  assert.match((await failure(path, { ...EXPECTED, width: 3 })).message, /its width is 5, now it is 3/);
  assert.match((await failure(path, { ...EXPECTED, image: 'b.jpg' })).message, /its image is a\.jpg, now it is b\.jpg/);
  const options = { ...ORIGIN.options, superpixels: 60 };
  assert.match((await failure(path, { ...EXPECTED, options })).message, /options.*"superpixels":40.*"superpixels":60/);
});

test('a missing, truncated or foreign file is refused', async () => {
  await failure(join(folder, 'missing.safetensors'));
  const path = join(folder, 'damaged.safetensors');
  await writeProposals(path, proposals, ORIGIN);
  await truncate(path, (await readFile(path)).length - 3);
  await failure(path);
  await writeFile(path, 'not a file of ours');
  await failure(path);
  await writeSafetensors(path, { format: 'cim-proposals', version: '0', width: '5', height: '3' }, []);
  assert.match((await failure(path)).message, 'version 0');
  const options = JSON.stringify(ORIGIN.options);
  const metadata = { format: 'cim-proposals', version: '2', width: '5', height: '3', image: 'a.jpg', options };
  await writeSafetensors(path, metadata, []);
  assert.match((await failure(path)).message, 'run_leaves');
});

test('masks and boxes fit the file, whatever size it was worked on', () => {
  for (const original of [SIZE, { width: 13, height: 8 }, { width: 10, height: 6 }, { width: 6, height: 20 }]) {
    const { network, boxes, fileMask } = imageProposals(proposals, { original });
    assert.is(network.masks.count, 2);
    for (let n = 0; n < proposals.count; n++) {
      const rle = fileMask(n);
      assert.equal(rle.size, [original.height, original.width]);
      const mask = decodeRle(rle);
      const small = unpackMask(network.masks, n);
      mask.forEach((value, p) => {
        const [y, x] = [Math.floor(p / original.width), p % original.width];
        const row = Math.floor(((y + 0.5) * SIZE.height) / original.height);
        assert.is(value, small[row * SIZE.width + Math.floor(((x + 0.5) * SIZE.width) / original.width)]);
      });
      const tight = maskBox(mask, original.width, original.height)!;
      const clipped = tight.map((v, i) => Math.min(v, (i % 2 === 0 ? original.width : original.height) - 1));
      assert.equal([...boxes.subarray(4 * n, 4 * n + 4)], clipped);
    }
  }
});

test.run();
