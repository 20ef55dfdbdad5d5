import * as kernels from '@cim/kernels';
import * as reference from '@cim/kernels/normalise/fold.reference';
import { expectClose, gpuTests, randomArray, runKernel } from '@cim/runtime/testing';
import { suite } from 'uvu';

const test = suite('fold');
const gpuTest = gpuTests({ test });
const EPS = 1e-5;

for (const [channels, size] of [
  [1, 1],
  [3, 63],
  [7, 130],
  [65, 9],
]) {
  const [gamma, variance] = [2, 3].map((seed) => randomArray([channels], seed, 0.5, 1.5));
  const [beta, mean, someBias] = [4, 5, 6].map((seed) => randomArray([channels], seed));
  const weight = randomArray([channels, size], 1);
  for (const bias of [null, someBias]) {
    const folding = { channels, size, eps: EPS, weight, bias, gamma, beta, mean, variance };
    const name = `[${channels}, ${size}]${bias ? ' with a bias' : ''}`;
    gpuTest(name, async ({ device }) => {
      const expected = reference.foldBatchNorm(folding);
      const { folded, rows } = await runKernel(
        device,
        kernels.foldBatchNorm({ channels, size, eps: EPS, bias: bias !== null }),
        { weight, bias: someBias, gamma, beta, mean, variance, folded: weight.length, rows: 4 * channels },
      );
      expectClose(folded, expected.folded);
      expectClose(rows, expected.rows);
    });

    gpuTest(`gradients of ${name}`, async ({ device }) => {
      const { rows } = reference.foldBatchNorm(folding);
      const [dfolded, dshift] = [randomArray([weight.length], 7), randomArray([channels], 8)];
      const expected = reference.foldBatchNormBackward(folding, dfolded, dshift);
      const old = { dweight: weight, dgamma: gamma, dbeta: beta, ...(bias ? { dbias: mean } : {}) };
      for (const add of [false, true]) {
        const accumulate = { weight: add, gamma: add, beta: add, ...(bias ? { bias: add } : {}) };
        const sizes = { dweight: weight.length, dgamma: channels, dbeta: channels, dbias: channels };
        const results = await runKernel(device, kernels.foldBatchNormBackward({ channels, size, accumulate }), {
          ...{ dfolded, dshift, weight, rows },
          ...(add ? old : sizes),
        });
        for (const [key, before] of Object.entries(old)) {
          const gradient = expected[key as keyof typeof old]!;
          expectClose(
            results[key],
            gradient.map((v, i) => v + (add ? before[i] : 0)),
            {},
            key,
          );
        }
      }
    });
  }
}

test.run();
