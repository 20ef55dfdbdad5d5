/** A pinned variant runs what it fits, and nothing else changes. */
import { PORTABLE, VARIANTS } from '@cim/kernels';
import { functional, type Tape, type Tensor, UnknownVariantError, Variants } from '@cim/runtime';
import { expectClose, randomArray, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { differentiate } from './gradients.ts';

const test = suite('variants');
const device = await testDevice();

/** A convolution and a matrix product, forward and backward: results, and which variants ran or could have. */
async function run(pinned?: string) {
  const chosen = new Set<string>();
  const fitting = new Set<string>();
  device.variants.pin(pinned);
  device.variants.observer = ({ chosen: name, names }) => {
    chosen.add(name);
    for (const one of names) fitting.add(one);
  };
  try {
    const operation = (tape: Tape, [x, w, b, v]: Tensor[]): Tensor => {
      const y = functional.conv2d(tape, x, w, b, { padding: 1 });
      return functional.linear(tape, tape.reshape(y, [2, 5 * 8 * 7]), v, null);
    };
    const shapes = [[2, 3, 8, 7], [5, 3, 3, 3], [5], [6, 5 * 8 * 7]];
    const inputs = shapes.map((shape, i) => ({ shape, data: randomArray(shape, i + 1) }));
    const { y, gradients } = await differentiate(operation, inputs, (size) => randomArray([size], 9));
    return { chosen, fitting, results: [y, ...gradients] };
  } finally {
    device.variants.pin(undefined);
    device.variants.observer = undefined;
  }
}

const familyOf = (name: string): string => /^(conv\.\w+|gemm)\./.exec(name)![1];

/** Large blocks compile for seconds: what they compute has a test among those of the kernels. */
const LARGE = /\.(implicit|blocked)\.(64|128)x/;

test('each variant that fits runs when pinned, and computes the same', async () => {
  const plain = await run();
  const names = [...plain.fitting].filter((name) => !LARGE.test(name));
  assert.ok(names.length >= 8);
  for (const name of names) {
    assert.ok(VARIANTS.includes(name), name);
    const { chosen, results } = await run(name);
    assert.ok(chosen.has(name), `${name} did not run`);
    const others = (names: Set<string>) => [...names].filter((one) => familyOf(one) !== familyOf(name)).sort();
    assert.equal(others(chosen), others(plain.chosen));
    for (const [i, result] of results.entries()) expectClose(result, plain.results[i], {}, `${name}, result ${i}`);
  }
});

test('where a pinned variant does not fit, the choice is the usual one', async () => {
  const plain = await run();
  const unfit = VARIANTS.filter((name) => !plain.fitting.has(name));
  assert.ok(unfit.includes('conv.forward.lanes.4x8x2'), 'it is for kernels of one tap');
  const { chosen, results } = await run('conv.forward.lanes.4x8x2');
  assert.equal(chosen, plain.chosen);
  assert.equal(results, plain.results);
});

test('a name that no variant has is refused', () => {
  assert.is(new Set(VARIANTS).size, VARIANTS.length);
  const variants = new Variants(PORTABLE);
  try {
    variants.pin('gemm.fastest');
    assert.unreachable();
  } catch (error) {
    assert.instance(error, UnknownVariantError);
    const { message, remedy } = error as UnknownVariantError;
    assert.match(message, 'No kernel variant is called "gemm.fastest".');
    for (const name of VARIANTS) assert.match(remedy, name);
  }
});

test.run();
