/** Kernels refuse sizes that no dispatch can have, and say which. */
import * as kernels from '@cim/kernels';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('sizes');
const conv = { n: 1, ci: 3, h: 8, w: 8, co: 4, kh: 3, kw: 3, stride: 1, padding: 1, dilation: 1 };
const tile = { rows: 2, columns: 4, channels: 4 };
const SUBGROUPS: kernels.Target = { ...kernels.PORTABLE, subgroupSize: 8 };

/** The message of the error that describing a kernel throws. */
function refusal(describe: () => unknown): string {
  try {
    describe();
  } catch (error) {
    assert.instance(error, kernels.KernelSizeError);
    assert.instance(error, RangeError);
    return (error as Error).message;
  }
  throw new Error('Nothing was thrown.');
}

test('missing, negative, fractional and absurd numbers of elements', () => {
  for (const n of [undefined, Number.NaN, -1, 2.5, 2 ** 32, Infinity, '4'] as number[]) {
    const message = refusal(() => kernels.add({ n, relu: false }));
    assert.ok(message.startsWith('Kernel elementwise.add: n is '), message);
    assert.ok(message.includes(String(n)), message);
  }
});

test('values that are no numbers', () => {
  assert.match(
    refusal(() => kernels.fill({ n: 4 } as never)),
    'value is undefined, not a number',
  );
  assert.match(
    refusal(() => kernels.convForwardTile(conv, { ...tile, rows: Number.NaN }, {})),
    'NaN',
  );
});

test('convolutions whose kernel does not fit, and steps of nothing', () => {
  const wrong = [{ n: Number.NaN }, { ci: 1.5 }, { co: -1 }, { kh: undefined }, { stride: 0 }, { h: 1, padding: 0 }];
  for (const change of wrong as Partial<kernels.ConvShape>[]) {
    const shape = { ...conv, ...change };
    refusal(() => kernels.convForwardDirect(shape, {}));
    refusal(() => kernels.convInputGradientDirect(shape, false));
    refusal(() => kernels.convForwardTile(shape, tile, {}));
    for (const target of [kernels.PORTABLE, SUBGROUPS]) {
      refusal(() => [...kernels.convForwardCandidates(shape, target)]);
      refusal(() => [...kernels.convInputGradientCandidates(shape, target)]);
      refusal(() => [...kernels.convWeightGradientCandidates(shape, target)]);
    }
  }
  assert.match(
    refusal(() => kernels.convForwardCandidates({ ...conv, h: 1, padding: 0 }, SUBGROUPS).next()),
    'ho is -1',
  );
});

test('more workgroups than WebGPU dispatches', () => {
  const message = refusal(() => kernels.pairwiseOverlap({ n: 32 * 70_000, words: 1 }));
  assert.match(message, '[70000,70000,1] workgroups');
  assert.match(message, String(kernels.MAX_GRID));
});

test('nothing to do is no error', () => {
  for (const kernel of [
    kernels.add({ n: 0, relu: true }),
    kernels.convForwardDirect({ ...conv, n: 0 }, {}),
    kernels.pairwiseOverlap({ n: 0, words: 0 }),
  ]) {
    assert.ok(kernel.wgsl.includes('fn main'));
  }
});

test.run();
