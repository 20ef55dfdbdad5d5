import * as kernels from '@cim/kernels';
import * as reference from '@cim/kernels/normalise/batchnorm.reference';
import { functional as F, Tape } from '@cim/runtime';
import { expectClose, randomArray, runKernel, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { expectFiniteDifferences } from './gradients.ts';

const test = suite('batchNorm');
const device = await testDevice();
const EPS = 1e-5;

for (const [batch, channels, height, width] of [
  [1, 1, 1, 2],
  [2, 3, 5, 7],
  [1, 5, 23, 29],
  [2, 3, 22, 48],
]) {
  const plane = height * width;
  const shape = { batch, channels, plane };
  const size = batch * channels * plane;
  // A mean far from zero shows variances that cancel.
  const x = randomArray([size], 1, 90, 92);
  const residual = randomArray([size], 2);
  const dy = randomArray([size], 3);
  const weight = randomArray([channels], 4, 0.5, 1.5);
  const bias = randomArray([channels], 5);
  const { mean, variance } = reference.batchStatistics(x, shape);
  const label = `[${batch}, ${channels}, ${height}, ${width}]`;

  test(`statistics of ${label}`, async () => {
    const running = randomArray([channels], 6, 1, 2);
    const r = await runKernel(device, kernels.batchNormStatistics({ ...shape, momentum: 0.3 }), {
      x,
      mean: channels,
      variance: channels,
      runningMean: running,
      runningVar: running,
    });
    expectClose(r.mean, mean);
    expectClose(r.variance, variance, { relative: 1e-3 });
    const count = batch * plane;
    expectClose(
      r.runningMean,
      running.map((v, c) => 0.7 * v + 0.3 * mean[c]),
    );
    expectClose(
      r.runningVar,
      running.map((v, c) => 0.7 * v + (0.3 * variance[c] * count) / (count - 1)),
      { relative: 1e-3 },
    );
  });

  for (const relu of [false, true]) {
    const affine = { ...shape, weight, mean, variance, eps: EPS };
    const y = reference.batchNorm(x, { ...affine, bias, residual, relu });
    const g = dy.map((v, i) => (relu && y[i] <= 0 ? 0 : v));

    test(`forward of ${label}, relu ${relu}`, async () => {
      const inputs = { x, weight, bias, mean, variance, residual, y: size };
      const { y: added } = await runKernel(
        device,
        kernels.batchNorm({ ...shape, eps: EPS, residual: true, relu }),
        inputs,
      );
      expectClose(added, y, { absolute: 1e-3 });
      const { y: plain } = await runKernel(
        device,
        kernels.batchNorm({ ...shape, eps: EPS, residual: false, relu }),
        inputs,
      );
      expectClose(plain, reference.batchNorm(x, { ...affine, bias, relu }), { absolute: 1e-3 });
    });

    for (const training of [false, true]) {
      test(`backward of ${label}, relu ${relu}, training ${training}`, async () => {
        const expected = reference.batchNormBackward(g, x, { ...affine, training });
        const tolerance = { relative: 1e-3, absolute: 2e-3 };
        const parameters = await runKernel(
          device,
          kernels.batchNormReduce({
            ...shape,
            eps: EPS,
            relu,
            training,
            accumulateWeight: true,
            accumulateBias: false,
          }),
          { dy, y, x, mean, variance, dweight: weight, dbias: channels, sums: 4 * channels },
        );
        expectClose(
          parameters.dweight,
          expected.dweight.map((v, c) => v + weight[c]),
          tolerance,
          'dweight',
        );
        expectClose(parameters.dbias, expected.dbias, tolerance, 'dbias');
        for (const accumulate of [false, true]) {
          const r = await runKernel(
            device,
            kernels.batchNormBackward({ ...shape, eps: EPS, relu, training, accumulate, residual: { accumulate } }),
            { dy, y, weight, x, variance, sums: parameters.sums ?? [], dx: residual, dresidual: residual },
          );
          const before = (i: number) => (accumulate ? residual[i] : 0);
          expectClose(
            r.dx,
            expected.dx.map((v, i) => v + before(i)),
            tolerance,
            'dx',
          );
          expectClose(
            r.dresidual,
            g.map((v, i) => v + before(i)),
            {},
            'dresidual',
          );
        }
      });
    }
  }
}

test('gradients agree with finite differences, residual and training', async () => {
  const channels = 3;
  const shape = [2, channels, 4, 5];
  const inputs = [
    { shape, data: randomArray(shape, 1) },
    { shape: [channels], data: randomArray([channels], 2, 0.5, 1.5) },
    { shape: [channels], data: randomArray([channels], 3) },
    { shape, data: randomArray(shape, 4) },
  ];
  for (const training of [false, true]) {
    await expectFiniteDifferences((tape, [x, weight, bias, residual]) => {
      const runningMean = device.tensor(new Float32Array(channels).fill(0.1));
      const runningVar = device.tensor(new Float32Array(channels).fill(0.4));
      return F.batchNorm(tape, x, { weight, bias, runningMean, runningVar }, { training, residual });
    }, inputs);
  }
});

test('frozen batchNorm with ReLU and residual is one dispatch forward and two back', async () => {
  const shape = [1, 2, 3, 3];
  const make = (s: number[], seed: number) =>
    Object.assign(device.tensor(randomArray(s, seed), s), { requiresGrad: true });
  const tape = new Tape(device);
  const [x, residual] = [make(shape, 1), make(shape, 2)];
  const [weight, bias, runningMean, runningVar] = [3, 4, 5, 6].map((seed) => make([2], seed));
  const before = device.dispatches;
  const y = F.batchNorm(tape, x, { weight, bias, runningMean, runningVar }, { training: false, residual, relu: true });
  assert.is(device.dispatches - before, 1);
  tape.backward(y, device.tensor(randomArray(shape, 7), shape));
  assert.is(device.dispatches - before, 3);
});

test.run();
