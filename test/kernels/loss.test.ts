import * as kernels from '@cim/kernels';
import * as reference from '@cim/kernels/loss/loss.reference';
import { type Device, functional, Generator, Tape } from '@cim/runtime';
import { expectClose, gpuTests, randomArray, runKernel } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('loss kernels');
const gpuTest = gpuTests({ test });

/** d f/d x[i] by central differences, for every element. */
function finiteDifferences(f: (x: Float64Array) => number, x: ArrayLike<number>, step = 1e-5): Float64Array {
  const moved = Float64Array.from(x);
  return moved.map((value, i) => {
    moved[i] = value + step;
    const above = f(moved);
    moved[i] = value - step;
    const below = f(moved);
    moved[i] = value;
    return (above - below) / (2 * step);
  });
}

const GRADIENT = { relative: 1e-4, scaled: 1e-5 };
const WEIGHTS = { cls: 0.7, iou: 3, bag: 1.3 };

/** Proposals, classes, IoU columns (C+1 or 1). */
const CLS_IOU_SHAPES = [
  [1, 1, 2],
  [7, 3, 4],
  [7, 3, 1],
  [65, 20, 21],
  [129, 80, 1],
  [300, 5, 6],
  [3, 300, 301],
] as const;

function clsIouCase(n: number, classes: number, iouColumns: number, seed: number): reference.ClsIouInputs {
  const generator = new Generator(seed);
  const columns = classes + 1;
  return {
    cls: randomArray([n, columns], seed + 1, 0.01, 0.99),
    iou: randomArray([n, iouColumns], seed + 2, 0.01, 0.99),
    pseudoLabels: Int32Array.from({ length: n }, () => generator.integer(Math.min(columns, 4) + 1) - 1),
    pseudoIou: Float32Array.from({ length: n }, () => generator.integer(2)),
    lossWeights: randomArray([n], seed + 3, 0, 0.5),
    count: 1,
    labels: Float32Array.from({ length: classes }, (_, c) => (c < 4 ? 1 : 0)),
  };
}

async function runClsIou(
  device: Device,
  inputs: reference.ClsIouInputs,
  lambda: number,
  useIou: boolean,
  initial?: Float32Array[],
) {
  const n = inputs.pseudoLabels.length;
  const columns = inputs.labels.length + 1;
  const shape = { n, columns, iouColumns: inputs.iou.length / n, bagUsesIou: useIou, lambda };
  const { count, labels, ...branch } = inputs;
  const forward = { ...branch, labels, count: new Uint32Array([count]), state: kernels.clsIouStateSize(columns) };
  const { state } = await runKernel(device, kernels.clsIouLoss(shape), forward);
  const accumulate = { accumulateCls: initial !== undefined, accumulateIou: initial !== undefined };
  const { dcls, diou } = await runKernel(
    device,
    kernels.clsIouLossBackward({ ...shape, weights: WEIGHTS, ...accumulate }),
    {
      ...branch,
      state,
      dcls: initial?.[0] ?? inputs.cls.length,
      diou: initial?.[1] ?? inputs.iou.length,
    },
  );
  return { losses: state.subarray(0, 3), dcls, diou };
}

for (const [n, classes, iouColumns] of CLS_IOU_SHAPES) {
  gpuTest(`refinement losses of ${n} proposals, ${classes} classes, ${iouColumns} IoU columns`, async ({ device }) => {
    for (const useIou of [true, false]) {
      const inputs = clsIouCase(n, classes, iouColumns, n + classes);
      const expected = reference.clsIouLoss(inputs, 3, WEIGHTS, useIou);
      const actual = await runClsIou(device, inputs, 3, useIou);
      expectClose(actual.losses, expected.losses, {}, 'losses');
      expectClose(actual.dcls, expected.dcls, GRADIENT, 'dcls');
      expectClose(actual.diou, expected.diou, GRADIENT, 'diou');

      const initial = [randomArray([inputs.cls.length], 8), randomArray([inputs.iou.length], 9)];
      const sum = await runClsIou(device, inputs, 3, useIou, initial);
      expectClose(
        sum.dcls,
        expected.dcls.map((g, i) => g + initial[0][i]),
        GRADIENT,
        'accumulated dcls',
      );
      expectClose(
        sum.diou,
        expected.diou.map((g, i) => g + initial[1][i]),
        GRADIENT,
        'accumulated diou',
      );
    }
  });
}

gpuTest('refinement losses are zero where nothing was mined', async ({ device }) => {
  const inputs = { ...clsIouCase(9, 3, 4, 5), count: 0 };
  const { losses, dcls, diou } = await runClsIou(device, inputs, 3, true);
  for (const values of [losses, dcls, diou]) assert.ok(values.every((v) => v === 0));
});

gpuTest('refinement losses without a labelled row', async ({ device }) => {
  const inputs = { ...clsIouCase(9, 3, 4, 5), pseudoLabels: new Int32Array(9).fill(-1) };
  const { losses, dcls } = await runClsIou(device, inputs, 1, true);
  const expected = reference.clsIouLoss(inputs, 1, WEIGHTS, true);
  expectClose(losses, expected.losses);
  expectClose(dcls, expected.dcls);
});

for (const [n, classes] of [
  [1, 1],
  [31, 7],
  [300, 80],
  [9, 256],
]) {
  gpuTest(`weighted bag loss of ${n} proposals and ${classes} classes`, async ({ device }) => {
    const columns = classes + 1;
    // Few distinct scores: many ties.
    const scores = randomArray([n, columns], 1, 0, 8).map((v) => Math.floor(v) / 8);
    const { pseudoLabels, lossWeights, labels } = clsIouCase(n, classes, 1, 2);
    const expected = reference.lossWeightBagLoss(scores, pseudoLabels, lossWeights, labels, 1);
    const buffers = { scores, pseudoLabels, lossWeights, labels, state: 1 + 2 * columns };
    const { state } = await runKernel(device, kernels.lossWeightBagLoss({ n, columns }), buffers);
    expectClose(state.subarray(0, 1), [expected.loss]);
    for (const accumulate of [false, true]) {
      const backward = kernels.lossWeightBagLossBackward({ n, columns, weight: 2, accumulate });
      const { dscores } = await runKernel(device, backward, { state, dscores: scores });
      expectClose(
        dscores,
        expected.dscores.map((g, i) => 2 * g + (accumulate ? scores[i] : 0)),
        GRADIENT,
      );
    }
  });
}

test('references agree with finite differences', () => {
  const inputs = clsIouCase(11, 4, 5, 3);
  const total = (part: Partial<reference.ClsIouInputs>) => {
    const { losses } = reference.clsIouLoss({ ...inputs, ...part }, 3, WEIGHTS, true);
    return WEIGHTS.cls * losses[0] + WEIGHTS.iou * losses[1] + WEIGHTS.bag * losses[2];
  };
  const gradients = reference.clsIouLoss(inputs, 3, WEIGHTS, true);
  expectClose(
    gradients.dcls,
    finiteDifferences((cls) => total({ cls }), inputs.cls),
    {},
    'refinement dcls',
  );
  expectClose(
    gradients.diou,
    finiteDifferences((iou) => total({ iou }), inputs.iou),
    {},
    'refinement diou',
  );

  const [cls, det, labels] = [randomArray([6, 4], 1, 0, 0.3), randomArray([6, 4], 2, 0, 0.3), [1, 0, 1]];
  const bag = reference.milBagLoss(cls, det, labels, 4);
  expectClose(
    bag.dcls,
    finiteDifferences((x) => reference.milBagLoss(x, det, labels, 4).loss, cls),
    {},
    'bag dcls',
  );
  expectClose(
    bag.ddet,
    finiteDifferences((x) => reference.milBagLoss(cls, x, labels, 4).loss, det),
    {},
    'bag ddet',
  );

  const { scores, clusters } = pclCase(17, 5, 2);
  const pcl = reference.pclLoss(scores, clusters, 6);
  expectClose(
    pcl.dcls,
    finiteDifferences((x) => reference.pclLoss(x, clusters, 6).loss, scores),
    {},
    'pcl',
  );

  for (const pooled of [false, true]) {
    const { cls: probabilities, labels: rows } = proposalClusterCase(23, 5, 2);
    expectClose(
      reference.proposalClusterLoss(probabilities, rows, 3, pooled).dcls,
      finiteDifferences((x) => reference.proposalClusterLoss(x, rows, 3, pooled).loss, probabilities),
      {},
      pooled ? 'PCL' : 'OICR',
    );
  }

  const [logits, targets] = [randomArray([10], 1, -5, 5), [1, 0, 0, 1, 1, 0, 0, 0, 1, 1]];
  const margin = reference.multiLabelSoftMarginLoss(logits, targets);
  expectClose(
    margin.dlogits,
    finiteDifferences((x) => reference.multiLabelSoftMarginLoss(x, targets).loss, logits),
    {},
    'soft margin',
  );
  const pooled = reference.logSumExpPool(logits, 2, 4);
  expectClose(
    pooled.slopes,
    finiteDifferences((x) => reference.logSumExpPool(x, 2, 4).y.reduce((a, b) => a + b), logits),
    {},
    'log-sum-exp',
  );
});

for (const [n, columns, classes] of [
  [1, 2, 1],
  [33, 21, 20],
  [257, 20, 20],
  [5, 301, 300],
  [64, 81, 80],
]) {
  gpuTest(`multiple instance loss of ${n} proposals and ${columns} columns`, async ({ device }) => {
    const cls = randomArray([n, columns], 1, 0, 1);
    const det = randomArray([n, columns], 2, 0, 1.5 / n);
    const labels = randomArray([classes], 3).map((v) => (v > 0 ? 1 : 0));
    const expected = reference.milBagLoss(cls, det, labels, columns);
    const { state } = await runKernel(device, kernels.milBagLoss({ n, columns, classes }), {
      cls,
      det,
      labels,
      state: 1 + columns,
    });
    expectClose(state.subarray(0, 1), [expected.loss]);
    for (const accumulate of [false, true]) {
      const backward = kernels.milBagLossBackward({
        n,
        columns,
        weight: 2,
        accumulateCls: accumulate,
        accumulateDet: accumulate,
      });
      const { dcls, ddet } = await runKernel(device, backward, { cls, det, state, dcls: cls, ddet: det });
      const before = accumulate ? 1 : 0;
      expectClose(
        dcls,
        expected.dcls.map((g, i) => 2 * g + before * cls[i]),
        GRADIENT,
        'dcls',
      );
      expectClose(
        ddet,
        expected.ddet.map((g, i) => 2 * g + before * det[i]),
        GRADIENT,
        'ddet',
      );
    }
  });
}

/**
 * Scores and a cluster matrix with ignored, background and foreground rows; cluster numbers need not be consecutive.
 */
function pclCase(n: number, classes: number, seed: number) {
  const columns = classes + 1;
  const generator = new Generator(seed);
  const clusters = new Float32Array(n * columns);
  for (let row = 0; row < n; row++) {
    const cluster = generator.integer(6);
    if (cluster === 5) clusters[row * columns] = 12;
    else if (cluster > 0) clusters[row * columns + 1 + (cluster % classes)] = 2 * cluster;
  }
  return { scores: randomArray([n, columns], seed + 1, 0.01, 0.99), clusters };
}

for (const [n, classes] of [
  [1, 1],
  [23, 3],
  [64, 20],
  [257, 80],
  [700, 5],
]) {
  gpuTest(`cluster loss of ${n} proposals and ${classes} classes`, async ({ device }) => {
    const columns = classes + 1;
    const { scores: cls, clusters } = pclCase(n, classes, n);
    const expected = reference.pclLoss(cls, clusters, columns);
    const size = kernels.pclStateSize({ n, columns });
    const { state } = await runKernel(
      device,
      kernels.pclLoss({ n, columns }),
      { cls, clusters, state: size },
      { partial: ['state'] },
    );
    expectClose(state.subarray(0, 1), [expected.loss]);
    for (const accumulate of [false, true]) {
      const { dcls } = await runKernel(device, kernels.pclLossBackward({ n, columns, weight: 0.5, accumulate }), {
        state,
        dcls: cls,
      });
      expectClose(
        dcls,
        expected.dcls.map((g, i) => 0.5 * g + (accumulate ? cls[i] : 0)),
        GRADIENT,
      );
    }
  });
}

gpuTest('cluster loss without any cluster', async ({ device }) => {
  const shape = { n: 4, columns: 3 };
  const buffers = {
    cls: randomArray([4, 3], 1, 0, 1),
    clusters: new Float32Array(12),
    state: kernels.pclStateSize(shape),
  };
  const { state } = await runKernel(device, kernels.pclLoss(shape), buffers, { partial: ['state'] });
  assert.is(state[0], 0);
  const { dcls } = await runKernel(device, kernels.pclLossBackward({ ...shape, weight: 1, accumulate: false }), {
    state,
    dcls: 12,
  });
  assert.ok(dcls.every((v) => v === 0));
});

/** Probabilities and row labels; members of a cluster share a class and, as in training, a weight or not. */
function proposalClusterCase(n: number, classes: number, seed: number) {
  const generator = new Generator(seed);
  const rows = Array.from({ length: n }, () => generator.integer(8) - 2);
  const labels = {
    pseudoLabels: Int32Array.from(rows, (cluster) => (cluster > 0 ? 1 + (cluster % classes) : cluster < -1 ? -1 : 0)),
    clusters: Int32Array.from(rows, (cluster) => (cluster > 0 ? cluster : -1)),
    lossWeights: randomArray([n], seed + 1, 0, 0.5).map((w, i) => (rows[i] < -1 ? 0 : w)),
  };
  return { cls: randomArray([n, classes + 1], seed + 2, 0.01, 0.99), labels };
}

for (const [n, classes] of [
  [1, 1],
  [23, 3],
  [257, 80],
  [2000, 5],
]) {
  gpuTest(`losses of OICR and PCL, ${n} proposals and ${classes} classes`, async ({ device }) => {
    const columns = classes + 1;
    const { cls, labels } = proposalClusterCase(n, classes, n);
    cls.fill(0, 0, columns); // a probability too small for a logarithm
    for (const pooled of [false, true]) {
      const expected = reference.proposalClusterLoss(cls, labels, 3, pooled);
      const kernel = kernels.proposalClusterLoss({ n, columns, lambda: 3, pooled });
      const size = kernels.proposalClusterStateSize(n);
      const { state } = await runKernel(device, kernel, { cls, ...labels, state: size });
      expectClose(state.subarray(0, 1), [expected.loss]);
      for (const accumulate of [false, true]) {
        const backward = kernels.proposalClusterLossBackward({ n, columns, weight: 0.5, accumulate });
        const { pseudoLabels } = labels;
        const { dcls } = await runKernel(device, backward, { pseudoLabels, state, dcls: cls });
        expectClose(
          dcls,
          expected.dcls.map((g, i) => 0.5 * g + (accumulate ? cls[i] : 0)),
          GRADIENT,
        );
      }
    }
  });
}

for (const n of [1, 60, 257, 1000]) {
  gpuTest(`multi-label soft margin loss of ${n} logits`, async ({ device }) => {
    const logits = randomArray([n], 1, -120, 120);
    const targets = randomArray([n], 2).map((v) => (v > 0 ? 1 : 0));
    const expected = reference.multiLabelSoftMarginLoss(logits, targets);
    const { loss } = await runKernel(device, kernels.multiLabelSoftMarginLoss({ n }), { logits, targets, loss: 1 });
    expectClose(loss, [expected.loss]);
    for (const accumulate of [false, true]) {
      const backward = kernels.multiLabelSoftMarginLossBackward({ n, weight: 3, accumulate });
      const { dlogits } = await runKernel(device, backward, { logits, targets, dlogits: logits });
      expectClose(
        dlogits,
        expected.dlogits.map((g, i) => 3 * g + (accumulate ? logits[i] : 0)),
        GRADIENT,
      );
    }
  });
}

for (const [batch, channels, height, width] of [
  [1, 1, 1, 1],
  [2, 3, 5, 7],
  [1, 5, 16, 16],
  [3, 2, 1, 65],
]) {
  gpuTest(`log-sum-exp pooling of [${batch}, ${channels}, ${height}, ${width}]`, async ({ device }) => {
    const [planes, area] = [batch * channels, height * width];
    for (const [sharpness, range] of [
      [4, 2],
      [0.5, 1000],
    ]) {
      const x = randomArray([planes, area], 4, -range, range);
      const expected = reference.logSumExpPool(x, planes, sharpness);
      await device.scopeAsync(async () => {
        const tape = new Tape(device);
        const input = tape.keep(device.tensor(x, [batch, channels, height, width]));
        input.requiresGrad = true;
        const y = tape.keep(functional.logSumExpPool(tape, input, sharpness));
        assert.equal(y.shape, [batch, channels]);
        const dy = randomArray([planes], 5);
        tape.backward(y, device.tensor(dy, [batch, channels]));
        expectClose(await y.read(), expected.y, {}, 'y');
        const dx = expected.slopes.map((slope, i) => slope * dy[Math.floor(i / area)]);
        // The exponent is rounded relative to r·x.
        expectClose(await tape.gradient(input)!.read(), dx, { relative: 1e-4, scaled: 3e-7 * sharpness * range }, 'dx');
      });
    }
    const shape = { planes, area, sharpness: 4 };
    const x = randomArray([planes, area], 6);
    const { y, slopes } = reference.logSumExpPool(x, planes, 4);
    const backward = kernels.logSumExpPoolBackward({ ...shape, accumulate: true });
    const { dx } = await runKernel(device, backward, { dy: new Float32Array(planes).fill(2), x, y, dx: x });
    expectClose(
      dx,
      slopes.map((slope, i) => 2 * slope + x[i]),
    );
  });
}

for (const [rows, columns] of [
  [1, 1],
  [3, 5],
  [65, 63],
  [2, 1000],
]) {
  gpuTest(`cross entropy of ${rows} rows and ${columns} classes`, async ({ device }) => {
    const labels = Uint32Array.from({ length: rows }, (_, i) => (7 * i + 3) % columns);
    // Logits that overflow an exponential that is not shifted, and such that do not.
    for (const [range, weight] of [
      [2, 1],
      [200, 3],
    ]) {
      const logits = randomArray([rows, columns], 8, -range, range);
      const expected = reference.crossEntropyLoss(logits, labels);
      const shape = { rows, columns };
      const { losses } = await runKernel(device, kernels.crossEntropyLoss(shape), { logits, labels, losses: rows });
      expectClose(losses, expected.losses, { relative: 1e-5, absolute: 1e-5 }, 'losses');
      const start = randomArray([rows, columns], 9);
      for (const accumulate of [false, true]) {
        const kernel = kernels.crossEntropyLossBackward({ ...shape, weight, accumulate });
        const { dlogits } = await runKernel(device, kernel, { logits, labels, losses, dlogits: start });
        const wanted = expected.dlogits.map((g, i) => weight * g + (accumulate ? start[i] : 0));
        expectClose(dlogits, wanted, { relative: 1e-4, absolute: 1e-5 }, 'dlogits');
      }
    }
  });
}

gpuTest('cross entropy: finite differences of the reference, and the differentiable operation', async ({ device }) => {
  const [rows, columns] = [4, 5];
  const labels = Uint32Array.of(0, 4, 2, 2);
  const logits = randomArray([rows, columns], 10, -2, 2);
  const mean = (x: ArrayLike<number>): number =>
    reference.crossEntropyLoss(x, labels).losses.reduce((a, b) => a + b) / rows;
  const expected = reference.crossEntropyLoss(logits, labels);
  expectClose(expected.dlogits, finiteDifferences(mean, logits), {}, 'reference');
  await device.scopeAsync(async () => {
    const tape = new Tape(device);
    const input = tape.keep(device.tensor(logits, [rows, columns]));
    input.requiresGrad = true;
    const losses = functional.crossEntropyLoss(tape, input, device.tensor(labels), 2);
    expectClose(await losses.read(), expected.losses, {}, 'losses');
    tape.backward();
    expectClose(
      await tape.gradient(input)!.read(),
      expected.dlogits.map((g) => 2 * g),
      {},
      'dlogits',
    );
    assert.throws(() => functional.crossEntropyLoss(tape, input, device.tensor(labels.slice(1))), /a label per row/);
  });
});

test.run();
