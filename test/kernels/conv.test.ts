import * as kernels from '@cim/kernels';
import { hasLanes } from '@cim/kernels/candidate';
import * as reference from '@cim/kernels/conv/conv.reference';
import { isPointwise } from '@cim/kernels/conv/shape';
import type { Device } from '@cim/runtime';
import { combine, executePlan, expectClose, gpuTests, randomArray, runKernel } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('conv');
const gpuTest = gpuTests({ test });
/**
 * Runs a plan on host arrays; without a start, the output must be written completely. Reordering its invocations would
 * compile all candidates twice, which takes minutes.
 */
async function execute(
  device: Device,
  plan: kernels.Plan,
  inputs: Record<string, ArrayLike<number>>,
  output: string,
  size: number,
  start?: Float32Array,
): Promise<Float32Array> {
  const outputs = await executePlan(device, plan, { ...inputs, [output]: start ?? size }, { rewrite: false });
  return outputs[output] as Float32Array;
}

/** Blocks compile for seconds, and have a test of their own. */
const LEAN = /^(?!.*\.implicit\.)/;

/** Every candidate: forward and both gradients, with epilogues and accumulation. */
async function check(device: Device, s: kernels.ConvShape, on = device.target, named = LEAN): Promise<void> {
  const chosen = <T>(candidates: Iterable<kernels.Candidate<T>>) =>
    [...candidates].filter(({ name }) => named.test(name));
  const x = randomArray([s.n, s.ci, s.h, s.w], 1);
  const weight = randomArray([s.co, s.ci, s.kh, s.kw], 2);
  const bias = randomArray([s.co], 3);
  const dy = randomArray([s.n, s.co, kernels.outputHeight(s), kernels.outputWidth(s)], 4);
  const plain = reference.convForward(s, x, weight, null, false);
  const residual = randomArray([plain.length], 7);
  const rectified = reference.convForward(s, x, weight, bias, true);
  const added = reference.convForward(s, x, weight, null, false, residual);
  const all = reference.convForward(s, x, weight, bias, true, residual);
  const dx = reference.convInputGradient(s, dy, weight);
  const dw = reference.convWeightGradient(s, x, dy);
  const [oldX, oldW] = [randomArray([x.length], 5), randomArray([weight.length], 6)];
  // Every setting compiles all candidates anew: of strided ones only what has every part.
  const alone = s.stride === 1;
  const each = alone && isPointwise(s);
  for (const { name, plan } of chosen(kernels.convForwardCandidates(s, on))) {
    const forward = (epilogue: kernels.ConvEpilogue) =>
      execute(device, plan(epilogue), { x, weight, bias, residual }, 'y', plain.length);
    if (alone) expectClose(await forward({}), plain, {}, name);
    if (each) expectClose(await forward({ bias: true, relu: true }), rectified, {}, `${name} with bias and ReLU`);
    if (each) expectClose(await forward({ residual: true }), added, {}, `${name} with a residual`);
    expectClose(await forward({ bias: true, residual: true, relu: true }), all, {}, `${name} with all`);
  }
  const sumX = dx.map((v, i) => v + oldX[i]);
  for (const { name, plan } of chosen(kernels.convInputGradientCandidates(s, on))) {
    if (alone) expectClose(await execute(device, plan(false), { dy, weight }, 'dx', dx.length), dx, {}, name);
    expectClose(await execute(device, plan(true), { dy, weight }, 'dx', dx.length, oldX), sumX, {}, `${name} added`);
  }
  const sumW = dw.map((v, i) => v + oldW[i]);
  for (const { name, plan } of chosen(kernels.convWeightGradientCandidates(s, on))) {
    if (alone) expectClose(await execute(device, plan(false), { x, dy }, 'dw', dw.length), dw, {}, name);
    expectClose(await execute(device, plan(true), { x, dy }, 'dw', dw.length, oldW), sumW, {}, `${name} added`);
  }
}

/** The kernels that take any kernel size, stride, padding and dilation. */
async function checkDirect(device: Device, s: kernels.ConvShape): Promise<void> {
  const x = randomArray([s.n, s.ci, s.h, s.w], 1);
  const weight = randomArray([s.co, s.ci, s.kh, s.kw], 2);
  const bias = randomArray([s.co], 3);
  const dy = randomArray([s.n, s.co, kernels.outputHeight(s), kernels.outputWidth(s)], 4);
  const { y } = await runKernel(device, kernels.convForwardDirect(s, { bias: true, residual: true, relu: true }), {
    x,
    weight,
    bias,
    residual: dy,
    y: dy.length,
  });
  expectClose(y, reference.convForward(s, x, weight, bias, true, dy), {}, 'y');
  const { dx } = await runKernel(device, kernels.convInputGradientDirect(s, true), { dy, weight, dx: x });
  expectClose(
    dx,
    reference.convInputGradient(s, dy, weight).map((v, i) => v + x[i]),
    {},
    'dx',
  );
  const rows = s.n * kernels.outputHeight(s);
  const whole = kernels.convWeightGradientDirect(s, { rows, accumulate: true });
  const { partial } = await runKernel(device, whole, { x, dy, partial: weight });
  expectClose(
    partial,
    reference.convWeightGradient(s, x, dy).map((v, i) => v + weight[i]),
    {},
    'dw',
  );
}

const KERNEL_SIZES = [
  [1, 1],
  [3, 3],
  [7, 7],
  [2, 3],
] as const;
for (const c of combine({ kernel: KERNEL_SIZES, stride: [1, 2, 3], padding: [0, 1, 3], dilation: [1, 2] })) {
  const { kernel, ...rest } = c;
  const spatial = { kh: kernel[0], kw: kernel[1], ...rest };
  if (kernels.outputLength(9, spatial.kh, spatial) < 1 || kernels.outputLength(11, spatial.kw, spatial) < 1) continue;
  gpuTest(`direct, ${c}`, ({ device }) => checkDirect(device, { n: 2, ci: 5, h: 9, w: 11, co: 9, ...spatial }));
}

const spatial1 = { kh: 1, kw: 1, stride: 1, padding: 0, dilation: 1 };
const spatial3 = { kh: 3, kw: 3, stride: 1, padding: 1, dilation: 1 };
// Every setting costs the compilation of all kernels that fit it.
const settings = [
  spatial1,
  { ...spatial1, stride: 2 },
  spatial3,
  { ...spatial3, stride: 2 },
  { ...spatial3, kh: 2, stride: 3 },
];
for (const spatial of settings) {
  for (const [n, ci, h, w, co] of [
    [1, 1, 2, 1, 1],
    [3, 17, 7, 7, 16],
    [1, 3, 37, 50, 12],
    [2, 16, 5, 70, 33],
  ]) {
    const name = `${spatial.kh}×${spatial.kw} stride ${spatial.stride} of [${n},${ci},${h},${w}] to ${co} channels`;
    gpuTest(name, ({ device }) => check(device, { n, ci, h, w, co, ...spatial }));
  }
}

gpuTest('no images', ({ device }) => check(device, { n: 0, ci: 3, h: 5, w: 5, co: 4, ...spatial3 }));

for (const [outer, channels, inner] of [
  [1, 1, 1],
  [80, 6, 1],
  [3, 7, 65],
  [2, 129, 30],
  [3, 5, 276],
  [0, 4, 9],
]) {
  gpuTest(`bias gradient of [${outer},${channels},${inner}]`, async ({ device }) => {
    const dy = randomArray([outer, channels, inner], 1);
    const old = randomArray([channels], 2);
    const expected = reference.channelSum({ outer, channels, inner }, dy);
    const y = randomArray([outer, channels, inner], 3).map((v) => Math.max(0, v));
    const masked = dy.map((v, i) => (y[i] > 0 ? v : 0));
    for (const accumulate of [false, true]) {
      const fused = kernels.reluChannelSum({ outer, channels, inner, accumulate });
      const r = await runKernel(device, fused, { dy, y, dx: dy.length, db: accumulate ? old : channels });
      expectClose(r.dx, masked, { relative: 0, scaled: 0 });
      const sums = reference.channelSum({ outer, channels, inner }, masked);
      expectClose(
        r.db,
        sums.map((v, i) => v + (accumulate ? old[i] : 0)),
      );
      const kernel = kernels.channelSum({ outer, channels, inner, accumulate });
      const plan = { steps: [kernels.step(kernel, { dy: 'dy', db: 'db' })], scratch: {} };
      const db = await execute(device, plan, { dy }, 'db', channels, accumulate ? old : undefined);
      expectClose(
        db,
        expected.map((v, i) => v + (accumulate ? old[i] : 0)),
      );
    }
  });
}

gpuTest('Winograd with products in workgroup memory', async ({ device }) => {
  for (const sizes of [
    { n: 2, ci: 5, h: 9, w: 13, co: 7 },
    { n: 1, ci: 36, h: 6, w: 5, co: 33 },
  ]) {
    await check(device, { ...sizes, ...spatial3 }, { ...device.target, subgroupSize: 0 }, /winograd/);
  }
});

gpuTest('Winograd with few tiles, which are the rows of its products', async ({ device }) => {
  const s = { n: 5, ci: 28, h: 7, w: 7, co: 60, ...spatial3 };
  const candidates = [...kernels.convForwardCandidates(s, device.target)];
  const { steps } = candidates.find(({ name }) => name === 'conv.forward.winograd4')!.plan({});
  const turned = steps.some(({ kernel }) => /^conv\.winograd\.image4\|.*channelsLast=true/.test(kernel.key));
  assert.is(turned, hasLanes(device.target.subgroupSize)); // in workgroup memory, rows are as wide as columns
  await check(device, s, device.target, /winograd4/);
});

gpuTest('partial sums of a weight gradient keep to the memory they may take', async ({ device }) => {
  const s = { n: 2, ci: 3, h: 48, w: 33, co: 4, kh: 3, kw: 3, stride: 1, padding: 1, dilation: 1 };
  const x = randomArray([s.n, s.ci, s.h, s.w], 1);
  const dy = randomArray([s.n, s.co, s.h, s.w], 2);
  const dw = reference.convWeightGradient(s, x, dy);
  const candidates = [...kernels.convWeightGradientCandidates(s, device.target)];
  const inParts = candidates.filter(
    ({ name, plan }) => !name.endsWith('im2col') && plan(false).scratch.partial > 2 * dw.length,
  );
  assert.ok(inParts.length >= 3, inParts.map(({ name }) => name).join());
  for (const { name } of inParts) {
    for (const parts of [2, 1]) {
      const bytes = 4 * dw.length * (parts + 0.5);
      const limited = [...kernels.convWeightGradientCandidates(s, { ...device.target, maxBinding: bytes })].find(
        (one) => one.name === name,
      )!;
      assert.is(limited.plan(false).scratch.partial ?? dw.length, parts * dw.length);
      expectClose(await execute(device, limited.plan(false), { x, dy }, 'dw', dw.length), dw, {}, name);
    }
  }
});

test('the candidates of a device without subgroups need none, and are as good with subgroups', () => {
  const s = { n: 1, ci: 8, h: 32, w: 32, co: 8, ...spatial3 };
  const families = [kernels.convForwardCandidates, kernels.convInputGradientCandidates] as const;
  for (const candidates of [...families, kernels.convWeightGradientCandidates]) {
    const namesOf = (subgroupSize: number) =>
      [...candidates(s, { ...kernels.PORTABLE, subgroupSize })].map(({ name }) => name.replace(/^conv\.\w+\./, ''));
    const [portable, wide, lanes] = [namesOf(0), namesOf(32), namesOf(8)];
    assert.equal(wide, portable);
    assert.match(portable.join(), /^(implicit\.[\dx]+,){4}(winograd[24],){2}(tile\.[\dx]+,)+direct$/);
    assert.match(lanes.join(), 'lanes.');
    assert.match(lanes.join(), 'winograd4');
    assert.match(lanes.join(), 'im2col');
    assert.equal(
      portable.filter((name) => !lanes.includes(name) && !/^implicit\.(64|128)x/.test(name)),
      [],
    );
  }
  const large = [
    ...kernels.convForwardCandidates({ ...s, kh: 9, kw: 9, padding: 4 }, { ...kernels.PORTABLE, subgroupSize: 8 }),
  ];
  assert.equal(
    large.map(({ name }) => name),
    ['conv.forward.im2col', 'conv.forward.direct', 'conv.forward.implicit.32x32x4x4'],
  );
});

test.run();
