import * as kernels from '@cim/kernels';
import * as reference from '@cim/kernels/gemm/gemm.reference';
import type { Device } from '@cim/runtime';
import { combine, executePlan, expectClose, gpuTests, randomArray } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('gemm');
const gpuTest = gpuTests({ test });

/** Blocks compile for seconds. Large ones have a test of their own. */
const LARGE = /\.blocked\.(64|128)/;
/** The others are checked where all that they load and store are vectors, or nothing is. */
const BLOCKED = /\.blocked\./;
const allOrNone = ({ m, n, k }: kernels.GemmShape): boolean =>
  new Set([m, n, k].map((size) => size % 4 === 0)).size === 1;

/**
 * Every candidate. Each epilogue where nothing is transposed, else the one that such products have, as gradients or linear
 * layers: every kind of kernel compiles for a second.
 */
async function check(device: Device, shape: kernels.GemmShape): Promise<void> {
  const { m, n, k } = shape;
  const a = randomArray([m, k], 1);
  const b = randomArray([k, n], 2);
  const bias = randomArray([n], 3);
  const old = randomArray([m, n], 4);
  const cases: { epilogue: kernels.GemmEpilogue; expected: Float64Array }[] = [
    { epilogue: {}, expected: reference.gemm(shape, a, b) },
    { epilogue: { bias: true, relu: true }, expected: reference.gemm(shape, a, b, bias, true) },
    { epilogue: { accumulate: true }, expected: reference.gemm(shape, a, b).map((v, i) => v + old[i]) },
  ];
  const [, affine, added] = cases;
  const usual = shape.transposeA ? [added] : shape.transposeB ? [affine] : cases;
  for (const { name, plan } of kernels.gemmCandidates(shape, device.target)) {
    if (LARGE.test(name) || (BLOCKED.test(name) && !allOrNone(shape))) continue;
    for (const { epilogue, expected } of usual) {
      const operands = { a, b, bias, c: epilogue.accumulate ? old : m * n };
      const { c } = await executePlan(device, plan(epilogue), operands, { rewrite: false });
      expectClose(c, expected, { shape: [m, n] }, `${name} ${JSON.stringify(epilogue)}`);
    }
  }
}

const SIZES = [
  [1, 1, 1],
  [80, 6, 128],
  [33, 65, 17],
  [7, 8, 9],
  [3, 66, 301],
  [128, 100, 31],
  [31, 9, 1568],
  [36, 68, 164],
  [8, 4, 0],
  [0, 5, 5],
] as const;
for (const c of combine({ size: SIZES, transposeA: [false, true], transposeB: [false, true] })) {
  const { size, ...transposed } = c;
  gpuTest(`product, ${c}`, ({ device }) => check(device, { m: size[0], n: size[1], k: size[2], ...transposed }));
}

gpuTest('partial products keep to the memory they may take', async ({ device }) => {
  const shape = { m: 5, n: 7, k: 4097 };
  const a = randomArray([shape.m, shape.k], 1);
  const b = randomArray([shape.k, shape.n], 2);
  const bytes = 4 * shape.m * shape.n;
  for (const [maxBinding, parts] of [
    [3.5 * bytes, 3],
    [bytes, 0],
    [1, 0],
  ]) {
    const candidates = [...kernels.gemmCandidates(shape, { ...device.target, maxBinding })];
    assert.is(candidates[0].name.endsWith('.split'), parts > 0);
    for (const { name, plan } of candidates) {
      if (LARGE.test(name)) continue;
      const { partial = 0 } = plan({}).scratch;
      assert.is(partial, name.endsWith('.split') ? parts * shape.m * shape.n : 0);
      assert.ok(4 * partial <= maxBinding);
      const { c } = await executePlan(device, plan({}), { a, b, bias: a, c: shape.m * shape.n }, { rewrite: false });
      expectClose(c, reference.gemm(shape, a, b), {}, name);
    }
  }
});

test.run();
