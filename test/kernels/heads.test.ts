import { branchScores, branchScoresBackward } from '@cim/kernels';
import * as reference from '@cim/kernels/heads/branch-scores.reference';
import { expectClose, gpuTests, randomArray, runKernel } from '@cim/runtime/testing';
import { suite } from 'uvu';

const test = suite('heads');
const gpuTest = gpuTests({ test });

for (const [firstRow, rows, columns, branches] of [
  [0, 1, 2, 0],
  [3, 7, 6, 3],
  [0, 65, 21, 3],
  [10, 200, 81, 2],
]) {
  const stride = Math.ceil((rows * columns) / 64) * 64;
  const shape = { firstRow, rows, columns, branches, stride };
  const blocks = 2 + 2 * branches;
  const partial = { partial: ['scores'] };
  const logits = randomArray([(firstRow + rows + 2) * blocks * columns], 1, -9, 9);
  const used = (values: ArrayLike<number>): number[] =>
    Array.from(
      { length: blocks * rows * columns },
      (_, i) => values[Math.floor(i / (rows * columns)) * stride + (i % (rows * columns))],
    );

  gpuTest(`${rows} rows from ${firstRow}, ${columns} columns, ${branches} branches`, async ({ device }) => {
    const { scores } = await runKernel(device, branchScores(shape), { logits, scores: blocks * stride }, partial);
    expectClose(used(scores), used(reference.branchScores(logits, shape)));

    const dscores = randomArray([blocks * stride], 2);
    const before = randomArray([logits.length], 3);
    const { dlogits } = await runKernel(device, branchScoresBackward(shape), { scores, dscores, dlogits: before });
    const expected = reference.branchScoresBackward(scores, dscores, shape, logits.length).map((g, i) => g + before[i]);
    expectClose(dlogits, expected);
  });
}

test.run();
