import type { RgbImage } from '@cim/model/image';
import { connectSuperpixels } from '@cim/model/proposals/connectivity';
import { packProposals, proposalAreas, proposalBoxes, proposalMask } from '@cim/model/proposals/masks';
import { MergeQueue } from '@cim/model/proposals/merge-queue';
import { PROPOSAL_DEFAULTS, type Proposals, proposeMasks } from '@cim/model/proposals/proposals';
import { ShapeError } from '@cim/runtime/errors';
import { randomArray, testDevice } from '@cim/runtime/testing';
import { demoScene } from '@cim/tools/demo-data/picture';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('proposals');
const device = await testDevice();

const noise = (width: number, height: number, seed: number): RgbImage => ({
  width,
  height,
  rgb: Uint8Array.from(randomArray([3 * width * height], seed, 0, 256), Math.floor),
});
const plain = (width: number, height: number): RgbImage => ({
  width,
  height,
  rgb: new Uint8Array(3 * width * height).fill(90),
});
const scene = (index: number, width = 192, height = 144) => demoScene(11, 'train', index, width, height);

const masksOf = (p: Proposals): Uint8Array[] => Array.from({ length: p.count }, (_, n) => proposalMask(p, n));
function iou(p: Uint8Array, q: Uint8Array): number {
  let common = 0;
  let union = 0;
  for (let i = 0; i < p.length; i++) {
    common += p[i] & q[i];
    union += p[i] | q[i];
  }
  return common / union;
}

/** Counts 4-connected components of equal labels. */
function components(labels: ArrayLike<number>, width: number, height: number): number {
  const seen = new Uint8Array(width * height);
  let count = 0;
  for (let seed = 0; seed < seen.length; seed++) {
    if (seen[seed]) continue;
    count++;
    const stack = [seed];
    seen[seed] = 1;
    while (stack.length > 0) {
      const i = stack.pop()!;
      const x = i % width;
      for (const j of [x > 0 ? i - 1 : -1, x < width - 1 ? i + 1 : -1, i - width, i + width]) {
        if (j < 0 || j >= seen.length || seen[j] || labels[j] !== labels[i]) continue;
        seen[j] = 1;
        stack.push(j);
      }
    }
  }
  return count;
}

for (const [name, image] of Object.entries({
  'a scene': scene(0).image,
  'an odd-sized scene': scene(1, 101, 67).image,
  noise: noise(45, 38, 3),
  'one colour': plain(60, 50),
  '3×5': noise(3, 5, 4),
  '40×1': noise(40, 1, 5),
}) as [string, RgbImage][]) {
  test(`leaves and masks of ${name}`, async () => {
    const { width, height } = image;
    const p = await proposeMasks(device, image);
    assert.is(p.labels.length, width * height);
    // One component a label, labels 0 … leafCount − 1: the leaves are connected and cover the image.
    assert.is(new Set(p.labels).size, p.leafCount);
    assert.is(Math.max(...p.labels), p.leafCount - 1);
    assert.is(components(p.labels, width, height), p.leafCount);

    assert.ok(p.count > 0 && p.count <= PROPOSAL_DEFAULTS.limit, `${p.count} proposals`);
    assert.is(p.scores.length, p.count);
    for (let n = 1; n < p.count; n++) assert.ok(p.scores[n] <= p.scores[n - 1], 'scores fall');

    const masks = masksOf(p);
    const areas = proposalAreas(p);
    const boxes = proposalBoxes(p);
    const packed = packProposals(p);
    const words = Math.ceil((width * height) / 32);
    assert.is(packed.length, p.count * words);
    masks.forEach((mask, n) => {
      const expected = new Uint32Array(words);
      let box = [width, height, 0, 0];
      let area = 0;
      for (let i = 0; i < mask.length; i++) {
        if (mask[i] === 0) continue;
        const [x, y] = [i % width, Math.floor(i / width)];
        expected[i >> 5] |= 1 << (i & 31);
        box = [Math.min(box[0], x), Math.min(box[1], y), Math.max(box[2], x + 1), Math.max(box[3], y + 1)];
        area++;
      }
      assert.is(areas[n], area);
      assert.equal([...boxes.subarray(4 * n, 4 * n + 4)], box);
      assert.equal(packed.subarray(n * words, (n + 1) * words), expected);
      const share = area / (width * height);
      assert.ok(
        share > PROPOSAL_DEFAULTS.minAreaFraction && share < PROPOSAL_DEFAULTS.maxAreaFraction,
        `share ${share}`,
      );
    });
    for (let n = 0; n < Math.min(p.count, 60); n++) {
      for (let m = 0; m < n; m++)
        assert.ok(iou(masks[n], masks[m]) <= PROPOSAL_DEFAULTS.nms, `${m} and ${n} are near-duplicates`);
    }
  });
}

test('a pixel has no proposals', async () => {
  const p = await proposeMasks(device, noise(1, 1, 1));
  assert.is(p.count, 0);
  assert.is(p.leafCount, 1);
  assert.is(packProposals(p).length + proposalBoxes(p).length + proposalAreas(p).length, 0);
});

test('the same image gives the same proposals', async () => {
  const { image } = scene(2);
  const first = await proposeMasks(device, image);
  assert.equal(await proposeMasks(device, image), first);
});

test('limits are kept', async () => {
  const { image } = scene(3);
  const p = await proposeMasks(device, image, {
    superpixels: 150,
    limit: 30,
    nms: 0.5,
    minAreaFraction: 0.01,
    maxAreaFraction: 0.2,
  });
  assert.is(p.count, 30);
  assert.ok(p.leafCount > 75 && p.leafCount < 300, `${p.leafCount} leaves`);
  const pixels = image.width * image.height;
  for (const area of proposalAreas(p)) assert.ok(area > 0.01 * pixels && area < 0.2 * pixels, `area ${area}`);
  const masks = masksOf(p);
  for (let n = 0; n < 30; n++) for (let m = 0; m < n; m++) assert.ok(iou(masks[n], masks[m]) <= 0.5);
});

test('impossible requests are refused', async () => {
  const refusal = async (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => null,
      (error) => error,
    );
  for (const [image, options] of [
    [{ ...plain(4, 4), width: 5 }, {}],
    [plain(0, 4), {}],
    [plain(4, 4), { superpixels: 0 }],
    [plain(4, 4), { superpixels: 20000 }],
  ] as const) {
    assert.instance(await refusal(proposeMasks(device, image, options)), ShapeError);
  }
});

test('small components join the nearest colour', () => {
  // Label 1 is one pixel of L 49 between 0 (L 50, left) and 2 (L 10, right); label 3's lone pixel touches only 2.
  const label = Float32Array.of(0, 0, 1, 2, 2, 0, 0, 0, 2, 2, 0, 0, 2, 2, 3);
  const light = [50, 49, 10, 90];
  const lab = new Float32Array(45);
  label.forEach((k, i) => {
    lab[i] = light[k];
  });
  const maps = { width: 5, height: 3, lab, label, edge: label, gradient: label, orientation: label };
  assert.equal([...connectSuperpixels(maps, 2).labels], [0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1]);
  assert.is(connectSuperpixels(maps, 1).leafCount, 4);
});

test('the merge queue returns pairs by distance', () => {
  const queue = new MergeQueue(2);
  const distances = randomArray([500], 6);
  distances.forEach((distance, i) => {
    queue.push(distance, i, i + 1);
  });
  for (const expected of distances.toSorted()) {
    const { distance, first, second } = queue.pop()!;
    assert.is(distance, expected);
    assert.is(distances[first], expected);
    assert.is(second, first + 1);
  }
  assert.is(queue.pop(), undefined);
});

test('proposals cover the objects of demo scenes', async () => {
  const best: number[] = [];
  for (let index = 0; index < 8; index++) {
    const { image, instances } = scene(index);
    const masks = masksOf(await proposeMasks(device, image, { limit: 100 }));
    for (const { mask } of instances) best.push(Math.max(...masks.map((m) => iou(m, mask))));
  }
  const mean = best.reduce((a, b) => a + b) / best.length;
  const recall = best.filter((b) => b >= 0.5).length / best.length;
  assert.ok(mean >= 0.75, `mean best IoU ${mean} of ${best.length} objects`);
  assert.ok(recall >= 0.85, `recall ${recall} at IoU 0.5`);
});

test.run();
