/** Regions found in threads are those found here. */
import { PROPOSAL_DEFAULTS, proposeRegions } from '@cim/model/proposals/proposals';
import type { PixelMaps } from '@cim/model/proposals/superpixels';
import { Generator } from '@cim/runtime';
import { ProposalThreads } from '@cim/tools/proposals/threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';

const test = suite('proposal threads');

/** What the GPU might find of an image of 4×3 squares of 8 pixels. */
function madeUpMaps(seed: number): PixelMaps {
  const generator = new Generator(seed);
  const [width, height] = [32, 24];
  const random = (count: number, scale: number): Float32Array =>
    Float32Array.from({ length: count }, () => scale * generator.uniform());
  const n = width * height;
  const label = Float32Array.from({ length: n }, (_, i) => 4 * Math.floor(i / width / 8) + Math.floor((i % width) / 8));
  const orientation = Float32Array.from({ length: n }, () => generator.integer(8));
  return { width, height, lab: random(3 * n, 60), edge: random(n, 9), gradient: random(n, 5), orientation, label };
}

test('as many images as there are, in any order, by two threads', async () => {
  const threads = new ProposalThreads(2);
  try {
    const maps = Array.from({ length: 5 }, (_, i) => madeUpMaps(i));
    const options = { superpixels: 12, limit: 9 };
    const found = await Promise.all(maps.map((own) => threads.regions(own, options)));
    assert.equal(
      found,
      maps.map((own) => proposeRegions(own, options)),
    );
    assert.ok(found[0].count > 1, 'there is something to find');
    assert.ok(threads.seconds > 0);
  } finally {
    await threads.close();
  }
});

test('an error in a thread rejects its image alone', async () => {
  const threads = new ProposalThreads(1);
  try {
    const broken = { ...madeUpMaps(1), label: null } as unknown as PixelMaps;
    const error = await rejection(threads.regions(broken, PROPOSAL_DEFAULTS));
    assert.match(error.message, /null/);
    assert.ok((await threads.regions(madeUpMaps(2), { superpixels: 12 })).count > 0);
  } finally {
    await threads.close();
  }
});

test.run();
