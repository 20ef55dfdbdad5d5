import { functional as F } from '@cim/runtime';
import { randomArray } from '@cim/runtime/testing';
import { suite } from 'uvu';
import { expectFiniteDifferences } from './gradients.ts';

const test = suite('differentiable elementwise operations');

test('finite differences of smoothL1 and multiply', async () => {
  // Apart by less than 1 or by more than 1, away from the seam.
  const x = { shape: [40], data: randomArray([40], 1, -0.4, 0.4) };
  const near = { shape: [40], data: randomArray([40], 2, -0.4, 0.4) };
  const far = { shape: [40], data: randomArray([40], 3, 2, 3) };
  for (const target of [near, far]) {
    await expectFiniteDifferences((tape, [a, b]) => F.smoothL1(tape, a, b), [x, target]);
    await expectFiniteDifferences((tape, [a, b]) => F.multiply(tape, a, b), [x, target]);
  }
});

test.run();
