import * as kernels from '@cim/kernels';
import * as reference from '@cim/kernels/mask/mask.reference';
import { type Device, Generator } from '@cim/runtime';
import { executePlan, gpuTests, runKernel } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('mask');
const gpuTest = gpuTests({ test });

/** N × pixels bytes, each mask of its own density; the last one is empty. */
function randomMasks(n: number, pixels: number, seed: number): Uint8Array {
  const generator = new Generator(seed);
  const masks = new Uint8Array(n * pixels);
  for (let mask = 0; mask < n - 1; mask++) {
    const density = generator.uniform();
    for (let p = 0; p < pixels; p++) masks[mask * pixels + p] = generator.uniform() < density ? 1 : 0;
  }
  return masks;
}

function expectSame(actual: ArrayLike<number>, expected: ArrayLike<number>, label: string): void {
  assert.is(actual.length, expected.length, label);
  for (let i = 0; i < expected.length; i++) {
    if (!Object.is(actual[i], expected[i]))
      throw new Error(`${label}: element ${i} is ${actual[i]}, expected ${expected[i]}.`);
  }
}

/** What each way to compute the overlap maps gives, by the name of the way. */
async function overlaps(
  device: Device,
  s: kernels.OverlapShape,
  packed: Uint32Array,
): Promise<Map<string, reference.Overlaps>> {
  const results = new Map<string, reference.Overlaps>();
  for (const { name, plan } of kernels.overlapCandidates(s, device.target)) {
    const maps = await executePlan(device, plan(), { packed, iou: s.n * s.n, containment: s.n * s.n });
    results.set(name, { iou: maps.iou as Float32Array, containment: maps.containment as Float32Array });
  }
  return results;
}

test('on subgroups of software GPUs the lanes come first, and the tiles are there everywhere', () => {
  const names = (subgroupSize: number) =>
    [...kernels.overlapCandidates({ n: 5, width: 9, height: 9 }, { ...kernels.PORTABLE, subgroupSize })].map(
      ({ name }) => name,
    );
  assert.equal(names(0), ['mask.overlap.tiled']);
  assert.equal(names(8), ['mask.overlap.lanes', 'mask.overlap.tiled']);
  assert.equal(names(32), ['mask.overlap.tiled']);
});

for (const [n, width, height] of [
  [1, 1, 1],
  [3, 7, 45], // words that hold several rows
  [33, 32, 17],
  [65, 33, 31], // rows that begin inside words
  [70, 100, 35],
  [130, 70, 50],
] as const) {
  gpuTest(`overlaps ${n} local masks of ${width}×${height} in every way`, async ({ device }) => {
    const generator = new Generator(n);
    const bytes = new Uint8Array(n * width * height);
    for (let mask = 0; mask < n - 1; mask++) {
      const [x1, y1] = [generator.integer(width), generator.integer(height)];
      const [x2, y2] = [x1 + generator.integer(width - x1), y1 + generator.integer(height - y1)];
      for (let y = y1; y <= y2; y++)
        bytes.fill(1, (mask * height + y) * width + x1, (mask * height + y) * width + x2 + 1);
    }
    const expected = reference.pairwiseOverlap(bytes, n, width * height);
    const all = await overlaps(device, { n, width, height }, reference.packMasks(bytes, n, width * height));
    for (const [name, { iou, containment }] of all) {
      expectSame(iou, expected.iou, `iou by ${name}`);
      expectSame(containment, expected.containment, `containment by ${name}`);
    }
  });
}

const SIZES: readonly (readonly [n: number, pixels: number])[] = [
  [1, 1],
  [2, 31],
  [3, 32],
  [5, 33],
  [31, 77],
  [33, 1024],
  [70, 1060],
];

for (const [n, pixels] of SIZES) {
  const masks = randomMasks(n, pixels, n);
  const packed = reference.packMasks(masks, n, pixels);
  const words = Math.ceil(pixels / 32);

  gpuTest(`packs ${n} masks of ${pixels} pixels`, async ({ device }) => {
    const padded = new Uint8Array(Math.ceil(masks.length / 4) * 4);
    padded.set(masks);
    const bytes = new Uint32Array(padded.buffer);
    const result = await runKernel(device, kernels.packMasks({ n, pixels }), { bytes, packed: n * words });
    expectSame(result.packed, packed, 'packed');
  });

  gpuTest(`overlaps ${n} masks of ${pixels} pixels`, async ({ device }) => {
    const expected = reference.pairwiseOverlap(masks, n, pixels);
    for (const [name, { iou, containment }] of await overlaps(device, { n, width: pixels, height: 1 }, packed)) {
      expectSame(iou, expected.iou, `iou by ${name}`);
      expectSame(containment, expected.containment, `containment by ${name}`);
    }
  });

  gpuTest(`intersects ${n} masks of ${pixels} pixels with others`, async ({ device }) => {
    for (const b of [1, 40]) {
      const others = randomMasks(b, pixels, 99);
      const { counts } = await runKernel(device, kernels.pairwiseIntersection({ a: n, b, words }), {
        packedA: packed,
        packedB: reference.packMasks(others, b, pixels),
        counts: n * b,
      });
      expectSame(counts, reference.pairwiseIntersection(masks, others, pixels), 'counts');
    }
  });
}

gpuTest('rounds every kind of quotient as f64 → f32 → f16 does', async ({ device }) => {
  // Nested masks: the iou of the first k with the first l pixels is k/l, down to f16's subnormals.
  const pixels = 190_001;
  const words = Math.ceil(pixels / 32);
  const generator = new Generator(5);
  const areas = Array.from({ length: 96 }, (_, i) => (i < 12 ? i : Math.ceil(pixels ** generator.uniform())));
  areas.push(pixels, pixels - 1, 2048, 4097, 8193);
  const n = areas.length;
  const packed = new Uint32Array(n * words);
  areas.forEach((area, mask) => {
    const whole = area >>> 5;
    packed.fill(0xffffffff, mask * words, mask * words + whole);
    if (area & 31) packed[mask * words + whole] = 2 ** (area & 31) - 1;
  });
  const quotient = (a: number, b: number) => reference.roundToHalf(Math.fround(a / b));
  const pairs = areas.flatMap((i) => areas.map((j) => [Math.min(i, j), Math.max(i, j), j]));
  const ious = pairs.map(([less, more]) => quotient(less, more));
  const containments = pairs.map(([less, , j]) => quotient(less, j));
  for (const [name, { iou, containment }] of await overlaps(device, { n, width: pixels, height: 1 }, packed)) {
    expectSame(iou, ious, `iou by ${name}`);
    expectSame(containment, containments, `containment by ${name}`);
  }
});

test('the reference rounds to f16 to nearest, ties to even', () => {
  const unit = 2 ** -10;
  for (const [value, half] of [
    [1 + unit / 2, 1],
    [1 + 1.5 * unit, 1 + 2 * unit],
    [1 + 0.5001 * unit, 1 + unit],
    [0.85, 0.85009765625],
    [2 ** -25, 0],
    [1.5 * 2 ** -24, 2 ** -23],
    [1 - 2 ** -13, 1],
  ]) {
    assert.is(reference.roundToHalf(value), half, `${value}`);
  }
});

test.run();
