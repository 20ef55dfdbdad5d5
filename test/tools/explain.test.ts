import { add, gemmLanes } from '@cim/kernels';
import { hasLanes } from '@cim/kernels/candidate';
import { step } from '@cim/kernels/plan';
import type { Target } from '@cim/kernels/target';
import { runPlan } from '@cim/runtime/plan';
import { randomArray, testDevice } from '@cim/runtime/testing';
import { counting, countTraffic } from '@cim/tools/bench/explain/count-traffic';
import { boundOf, explain } from '@cim/tools/bench/explain/explain';
import { occupancy } from '@cim/tools/bench/explain/occupancy';
import { explanationText } from '@cim/tools/bench/explain/print';
import { PROFILES } from '@cim/tools/bench/explain/profiles';
import { chooseProfiles } from '@cim/tools/bench/explain/run';
import { invocations, registers, wordsOfType, workgroupBytes } from '@cim/tools/bench/explain/text';
import { gemmItem } from '@cim/tools/bench/items';
import { blobMasks, overlapItem } from '@cim/tools/bench/overlap-item';
import { ConfigError } from '@cim/tools/errors';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('explain');
const device = await testDevice();
const ada = PROFILES.find(({ name }) => name === 'nvidia-ada')!;

test('types have words', () => {
  assert.equal(
    ['f32', 'vec4f', 'vec3<u32>', 'vec4h', 'array<f32, 12>', 'array<vec4f, 8>'].map(wordsOfType),
    [1, 4, 3, 2, 12, 32],
  );
});

test('workgroups take the memory and invocations that the text says', () => {
  const text = `const ROWS = 8u;
var<workgroup> tile: array<vec4u, 12>;
var<workgroup> rest: array<f32, ROWS>;
@compute @workgroup_size(16, 4) fn main() {}`;
  assert.is(workgroupBytes(text), 4 * (48 + 8));
  assert.is(invocations(text), 64);
});

test('registers are held from the declaration to the last use, and round a loop', () => {
  const main = (body: string) => registers(`@compute @workgroup_size(8) fn main() {${body}}`);
  assert.is(main('let a = 1.0; let b = a; let c = b; out[0] = c;'), 1);
  assert.is(main('let a = 1.0; let b = 2.0; let c = a * b; out[0] = c;'), 2);
  assert.is(main('var sum = vec4f(); let a = 1.0; sum += a; out[0] = sum;'), 5);
  // `a` is needed in every round, though the text reads it before `b` begins.
  assert.is(main('let a = 1.0; for (;;) { let c = a; let b = c; out[0] = b; }'), 2);
  assert.is(main('var t = array<vec2f, 3>(); let e = t[0]; t[1] = e; out[0] = t[1].x;'), 8);
  assert.is(main('var words: array<u32, 9>; words[i] = 1u; let a = u.words; out[0] = a; out[1] = words[0];'), 10);
  assert.is(main('{ let a = 1.0; out[0] = a; } { let a = 2.0; out[1] = a; }'), 1);
  assert.is(
    registers(
      'fn help() -> f32 { var t = array<f32, 9>(); return t[0]; } @compute @workgroup_size(8) fn main() { let a = 1.0; out[0] = help() + a; }',
    ),
    10,
  );
});

test('a matrix product needs its sums, a column of B and little more', () => {
  const [rows, columns] = [16, 4];
  const { wgsl } = gemmLanes({ m: 64, n: 64, k: 64 }, { rows, columns, subgroup: 8 }, {});
  const estimate = registers(wgsl);
  assert.ok(estimate >= rows * columns + columns && estimate <= rows * columns + 40, `${estimate}`);
});

test('counted traffic is what the loops of the kernels say', async () => {
  const n = 77;
  const sum = { steps: [step(add({ n, relu: false }), { a: 'a', b: 'b', y: 'y' })], scratch: {} };
  const tensors = (names: string[], size: number) =>
    Object.fromEntries(names.map((name, i) => [name, device.tensor(randomArray([size], i))]));
  assert.equal(await countTraffic(device, sum, tensors(['a', 'b', 'y'], n)), { loaded: 8 * n, stored: 4 * n });
});

if (hasLanes(device.target.subgroupSize)) {
  test('a tile of a matrix product loads its rows and columns once for every step', async () => {
    const [m, n, k] = [32, 64, 16];
    const kernel = gemmLanes({ m, n, k }, { rows: 16, columns: 4, subgroup: device.target.subgroupSize }, {});
    const product = { steps: [step(kernel, { a: 'a', b: 'b', bias: 'b', c: 'c' })], scratch: {} };
    const operands = {
      a: device.tensor(randomArray([m * k], 1)),
      b: device.tensor(randomArray([k * n], 2)),
      c: device.empty([m * n]),
    };
    const { subgroupSize } = device.target;
    const tiles = (m / 16) * (n / (4 * subgroupSize));
    const lane = 16 / subgroupSize + 4;
    assert.equal(await countTraffic(device, product, operands), {
      loaded: 4 * tiles * subgroupSize * lane * k,
      stored: 4 * m * n,
    });
    assert.is(counting(kernel).grid, kernel.grid);
    // Counting changes no result.
    const counted = await operands.c.read();
    runPlan(device, product, operands);
    assert.equal(await operands.c.read(), counted);
  });
}

test('occupancy is what the makers calculate', () => {
  const kernel = (footprint: object) =>
    occupancy(ada, { registers: 32, workgroupBytes: 0, invocations: 256, ...footprint });
  assert.equal(kernel({}), { share: 1, limit: 'threads', spills: false });
  // 65536 registers hold 4 workgroups of 256·64.
  assert.equal(kernel({ registers: 61 }), { share: 4 / 6, limit: 'registers', spills: false });
  assert.equal(kernel({ workgroupBytes: 48 * 1024 }), { share: 2 / 6, limit: 'workgroup memory', spills: false });
  assert.equal(kernel({ invocations: 8 }), { share: (24 * 8) / 1536, limit: 'workgroups', spills: false });
  assert.is(kernel({ registers: 300 })!.spills, true);
  assert.is(kernel({ workgroupBytes: 200 * 1024 }), null);
});

test('items are explained for every profile', async () => {
  for (const whole of [
    gemmItem('p', 'product', { m: 33, n: 17, k: 65 }),
    overlapItem('o', 'blobs', blobMasks, 9, 40, 20),
  ]) {
    // The last ones are those for every device, which compile fast.
    const item = { ...whole, candidates: (target: Target) => [...whole.candidates(target)].slice(-1) };
    const explanation = await explain(device, item, PROFILES);
    assert.ok(explanation.variants.length >= 1);
    for (const variant of explanation.variants) {
      assert.equal(
        Object.keys(variant.occupancy),
        PROFILES.map(({ name }) => name),
      );
      assert.ok(variant.loaded + variant.stored >= 0.9 * item.bytes, variant.name);
    }
    const text = explanationText(explanation, PROFILES);
    for (const { name } of explanation.variants) assert.match(text, name);
  }
});

test('bounds are arithmetic or memory, whichever takes longer', () => {
  assert.equal(boundOf({ flops: 1, bytes: 1008 }, ada), { seconds: 1008 / 1008e9, limit: 'memory' });
  assert.equal(boundOf({ flops: 82.6e12, bytes: 1 }, ada), { seconds: 1, limit: 'arithmetic' });
});

test('an unknown profile is a typed error that names the known ones', () => {
  assert.is(chooseProfiles('apple-m1-max').length, 1);
  assert.is(chooseProfiles(), PROFILES);
  assert.throws(
    () => chooseProfiles('apple-m1'),
    (error: Error) => error instanceof ConfigError && /apple-m1-max/.test((error as ConfigError).remedy),
  );
});

test.run();
