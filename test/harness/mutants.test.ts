/** A kernel that passes, and the same broken in ten ways: each is caught by the check that is meant for it. */
import { expectClose, gpuTests, runShader } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { failureOf } from './failure.ts';
import { buffersOf, CASES, NORMALISE, type Normalisation, reference } from './normalise.ts';

const test = suite('mutants');
const gpuTest = gpuTests({ test });

/** The test that a stranger would write. */
async function check(gpu: GPUDevice, code: string, sizes: Normalisation): Promise<void> {
  const { y, lengths } = await runShader(gpu, { code, grid: sizes.rows }, buffersOf(sizes));
  const expected = reference(sizes);
  expectClose(lengths, expected.lengths, {}, 'lengths');
  expectClose(y, expected.y, { shape: [sizes.rows, sizes.columns] }, 'y');
}

for (const sizes of CASES) {
  gpuTest(`the right kernel passes: ${sizes}`, ({ gpu }) => check(gpu, NORMALISE, sizes));
}

interface Mutant {
  readonly replace: string;
  readonly by: string;
  /** What the failure must say. */
  readonly caught: RegExp;
}
const LOOP = 'for (var c = lane; c < columns; c += SIZE) {\n    ';

const MUTANTS: Record<string, Mutant> = {
  'off by one': {
    replace: `${LOOP}let`,
    by: `${LOOP.replace('c < columns', 'c + 1u < columns')}let`,
    caught: /^lengths: 2 of 3 elements are out of tolerance.*The worst, element \d, is [\d.]+, expected [\d.]+: off by/,
  },
  'missing barrier': {
    replace: '+ half]; }\n    workgroupBarrier();',
    by: '+ half]; }',
    caught: /^The shader normalise depends on the order of its invocations: reversed, y at element \d+ and \d+ more/,
  },
  'unwritten tail': {
    replace: `${LOOP}y[`,
    by: `${LOOP.replace('c < columns', 'c < columns / SIZE * SIZE')}y[`,
    caught: /^The shader normalise leaves 6 of 390 elements of y unwritten, the first at 128\./,
  },
  'wrong stride': {
    replace: 'let value = x[row * columns + c]',
    by: 'let value = x[row * SIZE + c]',
    caught: /^lengths: \d of 3 elements are out of tolerance/,
  },
  'read out of bounds': {
    replace: `${LOOP}let`,
    by: `${LOOP.replace('c < columns', 'c <= columns')}let`,
    caught: /^The shader normalise reads outside of x \(390 elements\): what lies there changes/,
  },
  race: {
    replace: 'if (lane == 0u) { lengths[row] = length; }',
    by: 'lengths[row] = sum;',
    caught:
      /^The shader normalise (depends on the order of its invocations: reversed|is not deterministic).* lengths at/,
  },
  'wrong constant': {
    replace: '1.0 / length',
    by: '1.001 / length',
    caught:
      /^y: 2\d\d of 390 elements are out of tolerance \(relative 0.0001, scaled 0.00001\)\. The worst, \[\d, \d+\] \(element/,
  },
  'swapped axes': {
    replace: 'y[row * columns + c] =',
    by: 'y[c * shape.x + row] =',
    caught: /^y: 3\d\d of 390 elements are out of tolerance.*The worst, \[\d, \d+\] \(element \d+\)/,
  },
  'NaN leak': {
    replace: 'select(0.0, 1.0 / length, length > 0.0)',
    by: '1.0 / length',
    caught:
      /^y: 130 of 390 .*The worst, \[2, 0\] \(element 260\), is NaN, expected 0: NaN where a number is expected\.$/,
  },
};

for (const [name, { replace, by, caught }] of Object.entries(MUTANTS)) {
  test(`${name} is caught`, async () => {
    assert.is(NORMALISE.split(replace).length, 2, 'the mutation is of one place');
    const error = await failureOf({}, ({ gpu }) =>
      check(gpu, NORMALISE.replace(replace, by), { rows: 3, columns: 130 }),
    );
    assert.ok(caught.test(error.message), error.message);
  });
}

test('leaked buffer is caught', async () => {
  const error = await failureOf({}, ({ gpu }) => {
    gpu.createBuffer({ label: 'forgotten', size: 48, usage: GPUBufferUsage.STORAGE });
  });
  assert.match(error.message, /^A buffer "forgotten" of 48 bytes, made at .+:\d+:\d+, was not destroyed\.$/);
});

test.run();
