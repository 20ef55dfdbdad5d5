import * as kernels from '@cim/kernels';
import * as reference from '@cim/kernels/peak/peak.reference';
import { functional as F, ShapeError, Tape, type Tensor } from '@cim/runtime';
import { expectClose, randomArray, runKernel, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Golden, golden } from '../golden.ts';

const test = suite('peak');
const device = await testDevice();

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
  test(`peaks of ${maps} maps of ${height}×${width}`, async () => {
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

test('a map without a peak has no mean', async () => {
  const shape = { maps: 1, height: 2, width: 2, window: 3, filter: 5 };
  const result = await runKernel(device, kernels.peakStimulation(shape), { x: [1, 2, 3, 4], peakMap: 4, aggregation: 1 });
  assert.equal([...result.peakMap], [0, 0, 0, 0]);
  assert.ok(Number.isNaN(result.aggregation[0]));
});

for (const n of [1, 63, 65, 4096, 4097, 300_000]) {
  test(`minimum of ${n}`, async () => {
    const x = randomArray([n], n, 1, 2);
    const partials = kernels.partialSums(n);
    const { partial } = await runKernel(device, kernels.minimum({ n }), { x, partial: partials });
    const total = await runKernel(device, kernels.minimum({ n: partials, partials: 1 }), { x: partial, partial: 1 });
    assert.is(total.partial[0], x.reduce((a, b) => Math.min(a, b)));
  });
}

const leaf = (data: ArrayLike<number>, shape: readonly number[]): Tensor => {
  const tensor = device.tensor(data, shape);
  tensor.requiresGrad = true;
  return tensor;
};
const upload = (file: Golden, name: string): Tensor => {
  const { data, shape } = file.tensor(name);
  return device.tensor(data, shape);
};

for (const name of ['median', 'none', 'win5_mean', 'ties', 'max']) {
  test(`peak stimulation equals the original: ${name}`, async () => {
    const file = golden(`peak_stimulation_${name}`);
    const { win_size: window, peak_filter } = file.options;
    const input = file.tensor('in.x');
    const [, channels, height, width] = input.shape;
    const x = leaf(input.data, input.shape);
    const tape = new Tape(device);
    const { aggregation, peakMap } = F.peakStimulation(tape, x, { window, filter: peak_filter === 'none' ? null : peak_filter });
    tape.keep(aggregation);
    tape.seed(aggregation, upload(file, 'in.gout'));
    tape.backward();

    const peaks = [...(await peakMap.read())].flatMap((peak, i) => {
      const p = i % (height * width);
      const map = (i - p) / (height * width);
      return peak ? [Math.floor(map / channels), map % channels, Math.floor(p / width), p % width] : [];
    });
    assert.equal(peaks, [...file.tensor('out.peak_list', 'I32').data]);
    expectClose(await aggregation.read(), file.tensor('out.aggregation').data);
    assert.equal(await tape.gradient(x)!.read(), file.tensor('grad.x').data);
  });
}

test('the gradient of peak stimulation accumulates', async () => {
  const file = golden('peak_stimulation_median');
  const input = file.tensor('in.x');
  const gradient = file.tensor('grad.x').data;
  const [batch, channels, height, width] = input.shape;
  const shape = { maps: batch * channels, height, width, window: 3, filter: 'median' } as const;
  const { dx } = await runKernel(
    device,
    kernels.peakStimulationBackward({ maps: batch * channels, pixels: height * width, accumulate: true }),
    { dy: file.tensor('in.gout').data, peakMap: reference.peakStimulation(input.data, shape).peakMap, dx: gradient },
  );
  assert.equal(dx, gradient.map((v) => 2 * v));
});

test('an even window is refused', () => {
  const tape = new Tape(device);
  assert.throws(
    () => F.peakStimulation(tape, device.zeros([1, 1, 4, 4]), { window: 2 }),
    (error: Error) => error instanceof ShapeError,
  );
});

for (const name of ['3x3', '3x3s2_nobias', '1x1', '7x7s2']) {
  test(`excitation back-propagation equals the original: ${name}`, async () => {
    const file = golden(`pr_conv2d_${name}`);
    const { stride, padding } = file.options;
    const x = leaf(file.tensor('in.x').data, file.tensor('in.x').shape);
    const bias = file.has('param.bias') ? upload(file, 'param.bias') : null;
    const tape = new Tape(device);
    const y = F.peakConv2d(tape, x, upload(file, 'param.weight'), bias, { stride, padding });
    expectClose(await y.read(), file.tensor('out.y').data);
    tape.seed(y, upload(file, 'in.gout'));
    const before = device.memoryUse.live;
    tape.backward();
    // The output and its gradient are gone; the gradient of x has come, and nothing else.
    const sizes = [x, y, y].map((tensor) => tensor.storage.block.capacity);
    assert.is(device.memoryUse.live, before + sizes[0] - sizes[1] - sizes[2]);
    expectClose(await tape.gradient(x)!.read(), file.tensor('grad.x').data, { relative: 1e-3, scaled: 1e-4 });
  });
}

test('only convolutions are excited: a stack equals the original', async () => {
  const file = golden('pr_stack');
  const parameter = (name: string) => upload(file, `param.${name}`);
  const x = leaf(file.tensor('in.x').data, file.tensor('in.x').shape);
  const tape = new Tape(device);
  const first = F.relu(tape, F.peakConv2d(tape, x, parameter('0.weight'), parameter('0.bias'), { stride: 2, padding: 1 }));
  const pooled = F.maxPool2d(tape, first, { kernel: 3, stride: 2, padding: 1 });
  const normalised = F.batchNorm(
    tape,
    F.peakConv2d(tape, pooled, parameter('3.weight'), null, { padding: 1 }),
    {
      weight: parameter('4.weight'),
      bias: parameter('4.bias'),
      runningMean: parameter('4.running_mean'),
      runningVar: parameter('4.running_var'),
    },
    { training: false, relu: true },
  );
  const y = F.peakConv2d(tape, normalised, parameter('6.weight'), parameter('6.bias'));
  expectClose(await y.read(), file.tensor('out.y').data, { relative: 1e-3, scaled: 1e-4 });
  tape.seed(y, upload(file, 'in.gout'));
  tape.backward();
  expectClose(await tape.gradient(x)!.read(), file.tensor('grad.x').data, { relative: 2e-3, scaled: 5e-4 });
});

test.run();
