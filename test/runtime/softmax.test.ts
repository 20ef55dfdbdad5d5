import * as kernels from '@cim/kernels';
import * as reference from '@cim/kernels/softmax/softmax.reference';
import { functional as F } from '@cim/runtime';
import { expectClose, randomArray, runKernel, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import { expectFiniteDifferences } from './gradients.ts';

const test = suite('softmax');
const device = await testDevice();

for (const dim of [0, 1] as const) {
  for (const [rows, columns] of [
    [1, 1],
    [65, 3],
    [7, 81],
    [130, 21],
  ]) {
    test(`kernels on [${rows}, ${columns}] over dim ${dim}`, async () => {
      const shape = { rows, columns, dim };
      const n = rows * columns;
      // Large scores overflow an exponential that is not shifted.
      const x = randomArray([n], 1, -200, 200);
      const { y } = await runKernel(device, kernels.softmax(shape), { x, y: n });
      expectClose(y, reference.softmax(x, shape), { relative: 1e-3 });
      const dy = randomArray([n], 2);
      const soft = reference.softmax(randomArray([n], 3, -2, 2), shape);
      for (const accumulate of [false, true]) {
        const { dx } = await runKernel(device, kernels.softmaxBackward({ ...shape, accumulate }), {
          dy,
          y: soft,
          dx: dy,
        });
        expectClose(
          dx,
          reference.softmaxBackward(dy, soft, shape).map((v, i) => v + (accumulate ? dy[i] : 0)),
        );
      }
    });
  }

  test(`finite differences over dim ${dim}`, () =>
    expectFiniteDifferences(
      (tape, [x]) => F.softmax(tape, x, dim),
      [{ shape: [4, 5], data: randomArray([20], 1, -2, 2) }],
    ));
}

test.run();
