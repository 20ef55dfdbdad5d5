import * as kernels from '@cim/kernels';
import * as reference from '@cim/kernels/elementwise/elementwise.reference';
import { expectClose, gpuTests, randomArray, runKernel } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('elementwise');
const gpuTest = gpuTests({ test });
const SIZES = [1, 63, 64, 65, 1000];

for (const n of SIZES) {
  const a = randomArray([n], 1, -20, 20);
  const b = randomArray([n], 2, -20, 20);

  gpuTest(`binary operations on ${n}`, async ({ device }) => {
    for (const relu of [false, true]) {
      const { y } = await runKernel(device, kernels.add({ n, relu }), { a, b, y: n });
      expectClose(y, reference.add(a, b, relu));
    }
    const { y } = await runKernel(device, kernels.multiply({ n }), { a, b, y: n });
    expectClose(y, reference.multiply(a, b));
    const loss = await runKernel(device, kernels.smoothL1({ n }), { a, b, y: n });
    expectClose(loss.y, reference.smoothL1(a, b));
  });

  gpuTest(`activations of ${n}`, async ({ device }) => {
    const r = await runKernel(device, kernels.activation({ n, kind: 'relu' }), { x: a, y: n });
    expectClose(r.y, reference.relu(a));
    const s = await runKernel(device, kernels.activation({ n, kind: 'sigmoid' }), { x: a, y: n });
    expectClose(s.y, reference.sigmoid(a));
    for (const accumulate of [false, true]) {
      const { dx } = await runKernel(device, kernels.activationBackward({ n, kind: 'sigmoid', accumulate }), {
        dy: b,
        y: s.y,
        dx: a,
      });
      expectClose(
        dx,
        reference.sigmoidBackward(b, s.y).map((g, i) => g + (accumulate ? a[i] : 0)),
      );
    }
  });
}

gpuTest('more workgroups than one grid dimension holds', async ({ device }) => {
  const n = 64 * 65535 + 17;
  const { y } = await runKernel(device, kernels.fill({ n, value: 3 }), { y: n });
  assert.ok(y.every((v) => v === 3));
});

test.run();
