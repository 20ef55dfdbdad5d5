/** What stages are made of: work ahead in order, and proposals that are kept. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ImageProposals } from '@cim/model/infer/image-proposals';
import type { LabelledImage } from '@cim/tools/datasets/dataset';
import { worked } from '@cim/tools/pipeline/context';
import { CachedProposals } from '@cim/tools/proposals/cache';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';

const test = suite('worked');

/** A reporter that counts. */
function counter() {
  const bar = { done: 0, stopped: false };
  const report = {
    progress: () => ({ advance: () => bar.done++, stop: () => (bar.stopped = true) }),
    info: () => {},
    warn: () => {},
  };
  return { bar, context: { report } };
}

test('results come in the order of the items, while the next ones are worked on', async () => {
  const { bar, context } = counter();
  let working = 0;
  let most = 0;
  const seen: number[] = [];
  const results = worked(context, 'Work', [5, 1, 4, 2, 3], async (item) => {
    most = Math.max(most, ++working);
    await sleep(item);
    working--;
    return item;
  });
  for await (const item of results) seen.push(item);
  assert.equal(seen, [5, 1, 4, 2, 3]);
  assert.ok(most > 1 && most <= 3, `${most} at once`);
  assert.equal(bar, { done: 5, stopped: true });
});

test('a failure surfaces at its place, and nothing is left working', async () => {
  const { bar, context } = counter();
  let working = 0;
  const seen: number[] = [];
  const failure = await rejection(
    (async () => {
      const results = worked(context, 'Work', [0, 1, 2, 3, 4, 5], async (item) => {
        working++;
        await sleep(item === 2 ? 0 : 5);
        working--;
        if (item === 2) throw new RangeError('two');
        return item;
      });
      for await (const item of results) seen.push(item);
    })(),
  );
  assert.instance(failure, RangeError);
  assert.equal(seen, [0, 1]);
  assert.is(working, 0);
  assert.ok(bar.stopped);
});

test('proposals are kept while there is room, the least recently used dropped first', async () => {
  let loads = 0;
  const words = 25;
  const source = {
    load: async ({ id }: LabelledImage): Promise<ImageProposals | null> => {
      loads++;
      if (id === 0) return null;
      const masks = { words: new Uint32Array(words), count: 1, width: 40, height: 20 };
      const network = { masks, boxes: new Float32Array(4), regionMasks: new Float32Array(0) };
      return { network, boxes: network.boxes, fileMask: () => ({ size: [20, 40], counts: '' }) };
    },
  };
  const kept = new CachedProposals(source, 2 * 4 * words);
  const size = { width: 40, height: 20, original: { width: 40, height: 20 } };
  const load = (id: number) => kept.load({ id, file: `${id}.jpg`, fileName: `${id}.jpg`, labels: [] }, size);
  const [first, second] = [await load(1), await load(2)];
  assert.is(await load(1), first);
  assert.is(loads, 2);
  await load(3);
  assert.is(await load(1), first);
  assert.is.not(await load(2), second);
  assert.is(loads, 4);
  for (let i = 0; i < 2; i++) assert.is(await load(0), null);
  assert.is(loads, 6);
});

test.run();
