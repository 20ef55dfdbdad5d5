import * as kernels from '@cim/kernels';
import * as reference from '@cim/kernels/peak/peak.reference';
import { functional as F, ShapeError, Tape, type Tensor } from '@cim/runtime';
import { expectClose, gpuTests, randomArray, runKernel } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('peak');
const gpuTest = gpuTests({ test });

const SIZES = [
  [1, 1, 1],
  [3, 1, 7],
  [2, 16, 16],
  [3, 15, 17],
  [2, 16, 15],
  [5, 33, 40],
] as const;
const FILTERS: readonly kernels.PeakFilter[] = ['median', 'mean', 'max', 0.25, null];

for (const [maps, height, width] of SIZES) {
  gpuTest(`peaks of ${maps} maps of ${height}×${width}`, async ({ device }) => {
    const n = maps * height * width;
    // Multiples of 1/4 make ties common, among them those of the median; the mean stays exact.
    const ties = randomArray([n], 3, -2, 2).map((v) => Math.round(v * 4) / 4);
    for (const x of [ties, randomArray([n], 4, -2, 2)]) {
      for (const filter of FILTERS) {
        for (const window of [1, 3, 5]) {
          const shape = { maps, height, width, window, filter };
          const result = await runKernel(device, kernels.peakStimulation(shape), { x, peakMap: n, aggregation: maps });
          const expected = reference.peakStimulation(x, shape);
          assert.equal([...result.peakMap], [...expected.peakMap], `${filter}, window ${window}`);
          expectClose(result.aggregation, expected.aggregation);
        }
      }
    }
  });
}

gpuTest('a map without a peak has no mean', async ({ device }) => {
  const shape = { maps: 1, height: 2, width: 2, window: 3, filter: 5 };
  const result = await runKernel(device, kernels.peakStimulation(shape), {
    x: [1, 2, 3, 4],
    peakMap: 4,
    aggregation: 1,
  });
  assert.equal([...result.peakMap], [0, 0, 0, 0]);
  assert.ok(Number.isNaN(result.aggregation[0]));
});

for (const n of [1, 63, 65, 4096, 4097, 300_000]) {
  gpuTest(`minimum of ${n}`, async ({ device }) => {
    const x = randomArray([n], n, 1, 2);
    const partials = kernels.partialSums(n);
    const { partial } = await runKernel(device, kernels.minimum({ n }), { x, partial: partials });
    const total = await runKernel(device, kernels.minimum({ n: partials, partials: 1 }), { x: partial, partial: 1 });
    assert.is(
      total.partial[0],
      x.reduce((a, b) => Math.min(a, b)),
    );
  });
}

gpuTest('the gradient of peak stimulation accumulates', async ({ device }) => {
  const shape = { maps: 4, height: 9, width: 11, window: 3, filter: 'median' } as const;
  const [x, dy, before] = [randomArray([4, 99], 1), randomArray([4], 2), randomArray([4, 99], 3)];
  const { peakMap } = reference.peakStimulation(x, shape);
  const backward = (accumulate: boolean) => kernels.peakStimulationBackward({ maps: 4, pixels: 99, accumulate });
  const { dx } = await runKernel(device, backward(false), { dy, peakMap, dx: before });
  const added = await runKernel(device, backward(true), { dy, peakMap, dx: before });
  assert.ok(dx.some((g) => g !== 0));
  expectClose(
    added.dx,
    dx.map((g, i) => g + before[i]),
  );
});

gpuTest('an even window is refused', ({ device }) =>
  device.scope(() => {
    const tape = new Tape(device);
    assert.throws(
      () => F.peakStimulation(tape, device.zeros([1, 1, 4, 4]), { window: 2 }),
      (error: Error) => error instanceof ShapeError,
    );
  }),
);

gpuTest('excitation back-propagation leaves the gradient of its input and nothing else', ({ device }) =>
  device.scope(() => {
    const tensor = (...shape: number[]): Tensor => device.tensor(randomArray(shape, 1), shape);
    const x = tensor(1, 3, 9, 8);
    x.requiresGrad = true;
    const [weight, bias, gradient] = [tensor(4, 3, 3, 3), tensor(4), tensor(1, 4, 9, 8)];
    const before = device.memoryUse.live;
    const tape = new Tape(device);
    const y = F.peakConv2d(tape, x, weight, bias, { padding: 1 });
    tape.seed(y, gradient);
    tape.backward();
    // The output, its gradient and what was saved are gone; the gradient of x has come.
    assert.is(device.memoryUse.live, before + tape.gradient(x)!.storage.block.capacity);
  }),
);

test.run();
