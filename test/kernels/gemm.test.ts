import * as kernels from '@cim/kernels';
import * as reference from '@cim/kernels/gemm/gemm.reference';
import { runPlan } from '@cim/runtime/plan';
import { expectClose, randomArray, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('gemm');
const device = await testDevice();
const { target } = device;

/** Every candidate, with each epilogue. */
async function check(shape: kernels.GemmShape): Promise<void> {
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
  for (const { name, plan } of kernels.gemmCandidates(shape, target)) {
    for (const { epilogue, expected } of cases) {
      const tensors = {
        a: device.tensor(a),
        b: device.tensor(b),
        bias: device.tensor(bias),
        c: device.tensor(epilogue.accumulate ? old : new Float32Array(m * n).fill(-1.2345e30)),
      };
      runPlan(device, plan(epilogue), tensors);
      expectClose(await tensors.c.read(), expected, {}, `${name} ${JSON.stringify(epilogue)}`);
      for (const tensor of Object.values(tensors)) tensor.dispose();
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
  [5, 4, 0],
  [0, 4, 5],
];
for (const [m, n, k] of SIZES) {
  for (const transposeA of [false, true]) {
    for (const transposeB of [false, true]) {
      test(`[${m},${k}]${transposeA ? 'ᵀ' : ''}·[${k},${n}]${transposeB ? 'ᵀ' : ''}`, () =>
        check({ m, n, k, transposeA, transposeB }));
    }
  }
}

test('partial products keep to the memory they may take', async () => {
  const shape = { m: 5, n: 7, k: 4096 };
  const a = randomArray([shape.m, shape.k], 1);
  const b = randomArray([shape.k, shape.n], 2);
  const bytes = 4 * shape.m * shape.n;
  for (const [maxBinding, parts] of [
    [3.5 * bytes, 3],
    [bytes, 0],
    [1, 0],
  ]) {
    const candidates = [...kernels.gemmCandidates(shape, { ...target, maxBinding })];
    assert.is(candidates[0].name.endsWith('.split'), parts > 0);
    for (const { name, plan } of candidates) {
      const { partial = 0 } = plan({}).scratch;
      assert.is(partial, name.endsWith('.split') ? parts * shape.m * shape.n : 0);
      assert.ok(4 * partial <= maxBinding);
      const tensors = { a: device.tensor(a), b: device.tensor(b), c: device.empty([shape.m, shape.n]) };
      runPlan(device, plan({}), { ...tensors, bias: tensors.a });
      expectClose(await tensors.c.read(), reference.gemm(shape, a, b), {}, name);
      for (const tensor of Object.values(tensors)) tensor.dispose();
    }
  }
});

test.run();
