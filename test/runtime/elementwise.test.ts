import { functional as F, type Tape, type Tensor } from '@cim/runtime';
import { expectClose, randomArray } from '@cim/runtime/testing';
import { suite } from 'uvu';
import { golden } from '../golden.ts';
import { differentiate, expectFiniteDifferences } from './gradients.ts';

const test = suite('differentiable elementwise operations');

const OPERATIONS: [name: string, inputs: string[], operation: (tape: Tape, inputs: Tensor[]) => Tensor][] = [
  ['op_relu', ['x'], (tape, [x]) => F.relu(tape, x)],
  ['op_sigmoid', ['x'], (tape, [x]) => F.sigmoid(tape, x)],
  ['op_add_relu', ['x', 'b'], (tape, [x, b]) => F.addRelu(tape, x, b)],
  ['op_smooth_l1', ['x', 'target'], (tape, [x, target]) => F.smoothL1(tape, x, target)],
];

for (const [name, inputs, operation] of OPERATIONS) {
  test(`golden ${name}`, async () => {
    const file = golden(name);
    // The original scales x ahead of some operations, to reach their saturated ends.
    const scale = (input: string): number => (input === 'x' ? (file.options.pre_scale ?? 1) : 1);
    const values = inputs.map((input) => {
      const { data, shape } = file.tensor(`in.${input}`);
      return { shape, data: data.map((v) => v * scale(input)) };
    });
    const { y, gradients } = await differentiate(operation, values, () => file.tensor('in.gout').data);
    expectClose(y, file.tensor('out.y').data);
    for (const [i, input] of inputs.entries()) {
      expectClose(
        gradients[i].map((g) => g * scale(input)),
        file.tensor(`grad.${input}`).data,
        { scaled: 2e-5 },
        input,
      );
    }
  });
}

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
