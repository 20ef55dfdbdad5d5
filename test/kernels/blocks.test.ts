/** Blocks in workgroup memory: all of them, which on software GPUs are not among the candidates. */
import * as kernels from '@cim/kernels';
import * as convReference from '@cim/kernels/conv/conv.reference';
import {
  convForwardImplicitCandidates,
  convInputGradientImplicitCandidates,
  convWeightGradientImplicitCandidates,
} from '@cim/kernels/conv/implicit-gemm';
import { gemmBlockedCandidates } from '@cim/kernels/gemm/blocked';
import * as gemmReference from '@cim/kernels/gemm/gemm.reference';
import type { Device } from '@cim/runtime';
import { executePlan, expectClose, gpuTests, randomArray, type Tolerance, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withoutSubgroupMatrices } from './subgroup-matrix.ts';

const test = suite('blocks');
const gpuTest = gpuTests({ test });
const f16 = (await testDevice()).features.has('shader-f16');
const TARGET: kernels.Target = {
  ...kernels.PORTABLE,
  f16,
  subgroupSize: 32,
  subgroupMatrices: kernels.SUBGROUP_MATRICES,
  workgroupBytes: 32768,
};

/** Operands in [-1, 1) rounded to f16, each off by at most 2^-12 of its magnitude, summed in f32. */
const HALF: Tolerance = { relative: 2 ** -10, scaled: 2 ** -10 };

type Arrays = Readonly<Record<string, Float32Array>>;

/** Runs the candidates whose name `wanted` accepts; the output starts as `start`, or must be written completely. */
async function run<Options>(
  device: Device,
  candidates: Iterable<kernels.Candidate<Options>>,
  wanted: RegExp,
  options: Options,
  inputs: Arrays,
  output: string,
  expected: ArrayLike<number>,
  start?: ArrayLike<number>,
): Promise<number> {
  let count = 0;
  for (const { name, plan } of candidates) {
    if (!wanted.test(name)) continue;
    const { steps, scratch } = plan(options);
    const runnable = steps.map((step) =>
      /subgroup_matrix/.test(step.kernel.wgsl) ? { ...step, kernel: withoutSubgroupMatrices(step.kernel) } : step,
    );
    const operands = { ...inputs, [output]: start ?? expected.length };
    const found = await executePlan(device, { steps: runnable, scratch }, operands, { rewrite: false });
    expectClose(found[output], expected, name.includes('.f16') ? HALF : {}, name);
    count++;
  }
  return count;
}

async function checkGemm(device: Device, shape: kernels.GemmShape, wanted: RegExp): Promise<number> {
  const { m, n, k } = shape;
  const [a, b, bias] = [randomArray([m, k], 1), randomArray([k, n], 2), randomArray([n], 3)];
  const expected = gemmReference.gemm(shape, a, b, bias, true);
  const candidates = gemmBlockedCandidates(shape, TARGET);
  return run(device, candidates, wanted, { bias: true, relu: true }, { a, b, bias }, 'c', expected);
}

async function checkConv(device: Device, s: kernels.ConvShape, wanted: RegExp): Promise<void> {
  const x = randomArray([s.n, s.ci, s.h, s.w], 1);
  const weight = randomArray([s.co, s.ci, s.kh, s.kw], 2);
  const bias = randomArray([s.co], 3);
  const dy = randomArray([s.n, s.co, kernels.outputHeight(s), kernels.outputWidth(s)], 4);
  const residual = randomArray([dy.length], 5);
  const [oldX, oldW] = [randomArray([x.length], 6), randomArray([weight.length], 7)];
  const y = convReference.convForward(s, x, weight, bias, true, residual);
  const all = { bias: true, residual: true, relu: true };
  const forward = convForwardImplicitCandidates(s, TARGET);
  const counts = [await run(device, forward, wanted, all, { x, weight, bias, residual }, 'y', y)];
  const dx = convReference.convInputGradient(s, dy, weight).map((v, i) => v + oldX[i]);
  counts.push(
    await run(device, convInputGradientImplicitCandidates(s, TARGET), wanted, true, { dy, weight }, 'dx', dx, oldX),
  );
  const dw = convReference.convWeightGradient(s, x, dy).map((v, i) => v + oldW[i]);
  counts.push(
    await run(device, convWeightGradientImplicitCandidates(s, TARGET), wanted, true, { x, dy }, 'dw', dw, oldW),
  );
  assert.ok(counts.every((count) => count > 0));
}

const SMALLEST = /\.32x32x4x4(\.split)?$/;
/** Large blocks compile for seconds: all of them once, one of each kind for all that is loaded otherwise. */
const LARGE = /\.(64x64|128x64)x|\.matrix\.(8x8x8|16x16x16\.f16|16x8x16\.f16)$|\.32x32x4x4\.f16/;
const ONE_OF_EACH = /\.64x64x8x4$|\.matrix\.16x16x16\.f16$|\.32x32x4x4\.f16$/;

gpuTest('products of all blocks, their edges inside, across and beyond', async ({ device }) => {
  assert.is(await checkGemm(device, { m: 131, n: 67, k: 37 }, LARGE), f16 ? 10 : 4);
});

const base = { n: 2, ci: 5, h: 9, w: 11, co: 7, kh: 3, kw: 3, stride: 1, padding: 1, dilation: 1 };

gpuTest('convolutions of larger blocks', async ({ device }) => {
  await checkConv(device, { ...base, n: 3, ci: 9, co: 67, h: 7, w: 7 }, ONE_OF_EACH);
  await checkConv(device, { ...base, ci: 12, co: 36, h: 8, w: 6, kh: 1, kw: 1, padding: 0 }, /\.64x64x8x4$/);
});

for (const [name, s] of Object.entries({
  'stride 2': { ...base, stride: 2 },
  'dilation 2': { ...base, dilation: 2, padding: 2 },
  'stride and dilation 2: phases without taps': { ...base, stride: 2, dilation: 2, padding: 3 },
  '1×1 with stride 2': { ...base, kh: 1, kw: 1, padding: 0, stride: 2 },
  '1×1 with padding': { ...base, kh: 1, kw: 1 },
  '7×7 with stride 2': { ...base, kh: 7, kw: 7, padding: 3, stride: 2 },
  '2×3 with stride 3': { ...base, kh: 2, kw: 3, stride: 3, padding: 2, h: 13 },
  'rows of whole vectors': { ...base, ci: 8, co: 36, h: 8, w: 6 },
  'regions of interest': { ...base, n: 9, ci: 16, co: 12, h: 7, w: 7 },
  'a single pixel': { ...base, n: 1, h: 1, w: 1 },
  'many blocks': { ...base, ci: 16, h: 37, w: 49, co: 33 },
  'no images': { ...base, n: 0 },
})) {
  gpuTest(`convolution, ${name}`, ({ device }) => checkConv(device, s, SMALLEST));
}

gpuTest('operands are rounded only where the target allows', ({ device }) => {
  const names = (target: kernels.Target): string[] =>
    [kernels.gemmCandidates({ m: 64, n: 64, k: 64 }, target), kernels.convForwardCandidates(base, target)].flatMap(
      (candidates) => [...candidates].map(({ name }) => name),
    );
  assert.ok(names({ ...TARGET, f16: true }).some((name) => name.includes('.f16')));
  assert.not.ok(names({ ...TARGET, f16: false }).some((name) => name.includes('.f16')));
  assert.is(device.target.f16, false);
});

test.run();
