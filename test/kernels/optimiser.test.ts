import * as kernels from '@cim/kernels';
import * as reference from '@cim/kernels/optimiser/optimiser.reference';
import { expectClose, gpuTests, randomArray, runKernel } from '@cim/runtime/testing';
import { suite } from 'uvu';

const test = suite('optimisers');
const gpuTest = gpuTests({ test });

for (const n of [1, 65, 2500]) {
  const p = randomArray([n], 1);
  const grad = randomArray([n], 2);
  const m = randomArray([n], 3);
  const v = randomArray([n], 4, 0, 1);
  const scale = 0.4;

  gpuTest(`sgd of ${n}`, async ({ device }) => {
    for (const nesterov of [false, true]) {
      const options = { lr: 0.1, momentum: 0.9, nesterov, weightDecay: 0.05 };
      const actual = await runKernel(device, kernels.sgd({ n, ...options }), { p, grad, momentum: m, scale: [scale] });
      const expected = reference.sgd({ p, grad, momentum: m, scale }, options);
      expectClose(actual.p, expected.p);
      expectClose(actual.momentum, expected.momentum);
    }
  });

  for (const step of [1, 7]) {
    gpuTest(`adamW of ${n}, step ${step}`, async ({ device }) => {
      const options = { lr: 0.1, betas: [0.9, 0.999], weightDecay: 0.05, epsilon: 1e-8, step } as const;
      const actual = await runKernel(device, kernels.adamW({ n, ...options }), { p, grad, m, v, scale: [scale] });
      const expected = reference.adamW({ p, grad, m, v, scale }, options);
      for (const name of ['p', 'm', 'v'] as const) expectClose(actual[name], expected[name], {}, name);
    });
  }

  gpuTest(`clipping of ${n} gradients in two arrays`, async ({ device }) => {
    for (const maxNorm of [0.1, 1000]) {
      const partials = kernels.partialSums(n);
      const { partial: some } = await runKernel(device, kernels.sum({ n, square: true }), { x: p, partial: partials });
      const { partial } = await runKernel(device, kernels.sum({ n, square: true, offset: partials }), {
        x: grad,
        partial: [...some, ...new Float32Array(partials)],
      });
      const clip = kernels.clipFactor({ partials: 2 * partials, maxNorm });
      const { scale: factor } = await runKernel(device, clip, { partial, scale: 1 });
      expectClose(factor, [reference.clipFactor([...p, ...grad], maxNorm)]);
    }
  });
}

test.run();
