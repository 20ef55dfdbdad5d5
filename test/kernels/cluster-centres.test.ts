import * as kernels from '@cim/kernels';
import { assignClusters } from '@cim/kernels/mining/assign.reference';
import * as reference from '@cim/kernels/mining/cluster-centres.reference';
import type { PseudoTruths } from '@cim/kernels/mining/mining.reference';
import { type Device, Generator } from '@cim/runtime';
import { gpuTests, runKernel } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CASES, type MiningCase, makeCase } from './mining-cases.ts';

const test = suite('OICR and PCL kernels');
const gpuTest = gpuTests({ test });

const GRAPH = { graphThreshold: 0.39990234375, centresPerClass: 5 };
const CLUSTER = { foregroundThreshold: 0.5, ignoreThreshold: 0.0999755859375 };

/** Compares both selections with their references, then the clusters that proposals join. */
async function check(device: Device, label: string, { scores, iou }: MiningCase): Promise<PseudoTruths[]> {
  const { n, classes, clsColumns, detColumns, cls, det, labels } = scores;
  const shape = { n, classes, clsColumns, detColumns };
  const inputs = { cls, det, labels };
  const outputs = { seedLabels: n, seedWeights: n, truths: kernels.truthsSize(n) };
  const work = kernels.centresWorkSize(n);
  const top = await runKernel(
    device,
    kernels.selectTopProposals(shape),
    { ...inputs, ...outputs },
    { partial: ['truths'] },
  );
  const centres = kernels.selectClusterCentres({ ...shape, ...GRAPH });
  const most = await runKernel(
    device,
    centres,
    { ...inputs, iou, work, ...outputs },
    { partial: ['truths'], scratch: ['work'] },
  );
  const expected = [reference.selectTopProposals(scores), reference.selectClusterCentres(scores, iou, GRAPH)];
  for (const [k, { seedLabels, seedWeights, truths }] of [top, most].entries()) {
    const name = `${label}: ${k === 0 ? 'OICR' : 'PCL'}`;
    const count = truths[0];
    assert.equal([...truths.subarray(1, 1 + count)], expected[k].list, `${name} list`);
    assert.ok(truths.subarray(1 + n, 1 + n + count).every((survived) => survived === 1));
    assert.equal([...seedLabels], [...expected[k].seedLabels], `${name} labels`);
    assert.equal([...seedWeights], [...expected[k].seedWeights], `${name} weights`);

    const buffers = { iou, truths, seedLabels, seedWeights, pseudoLabels: n, clusters: n, lossWeights: n };
    const assigned = await runKernel(device, kernels.assignClusters({ n, ...CLUSTER }), buffers);
    const { foregroundThreshold, ignoreThreshold } = CLUSTER;
    const wanted = assignClusters(expected[k], iou, foregroundThreshold, ignoreThreshold);
    assert.equal([...assigned.pseudoLabels], [...wanted.pseudoLabels], `${name} pseudo labels`);
    assert.equal([...assigned.clusters], [...wanted.clusters], `${name} clusters`);
    assert.equal([...assigned.lossWeights], [...wanted.lossWeights], `${name} loss weights`);
  }
  return expected;
}

for (const [name, given] of Object.entries(CASES)) {
  gpuTest(`pseudo ground truths and clusters equal the reference: ${name}`, async ({ device }) => {
    for (let seed = 0; seed < 6; seed++) await check(device, `seed ${seed}`, makeCase(given, seed));
  });
}

gpuTest('the same of 1200 proposals', async ({ device }) => {
  const [, { list }] = await check(device, 'large', makeCase({ n: 1200, classes: 3, positives: 3 }, 1));
  assert.ok(list.length > 3);
});

gpuTest('1200 proposals of one score, in pairs', async ({ device }) => {
  const n = 1200;
  const { scores } = makeCase({ n, classes: 2, positives: 0, levels: 1, detector: 'none' }, 1);
  const { classes, clsColumns, detColumns, cls, det } = scores;
  const iou = new Float32Array(n * n);
  for (let i = 0; i < n; i++) for (const j of [i, i ^ 1]) iou[i * n + j] = 1;
  const kernel = kernels.selectClusterCentres({ n, classes, clsColumns, detColumns, ...GRAPH });
  const outputs = { seedLabels: n, seedWeights: n, truths: kernels.truthsSize(n) };
  const buffers = { cls, det, labels: [1, 1], iou, work: kernels.centresWorkSize(n), ...outputs };
  const { truths } = await runKernel(device, kernel, buffers, { partial: ['truths'], scratch: ['work'] });
  // All are equally good and connected; those of the first class leave their partners alone.
  assert.equal([...truths.subarray(0, 11)], [10, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18]);
});

gpuTest('a proposal serves one class only', async ({ device }) => {
  const one = makeCase({ n: 3, classes: 2, positives: 0, background: false, detector: 'none' }, 1);
  const scores = { ...one.scores, labels: [1, 1], cls: [0.9, 0.9, 0.5, 0.1, 0.2, 0.3] };
  const iou = [1, 0, 0, 0, 1, 0, 0, 0, 1];
  const [top] = await check(device, 'contested', { ...one, scores, iou: Float32Array.from(iou) });
  assert.equal(
    [top.list, [...top.seedLabels]],
    [
      [0, 2],
      [1, -1, 2],
    ],
  );
});

test('the best of three clusters', () => {
  assert.is(reference.topCluster([0.9, 0.8, 0.85, 0.5, 0.45, 0.1].sort((a, b) => b - a)), 3);
  assert.is(reference.topCluster([0.9, 0.1, 0.1]), 1);
  assert.is(reference.topCluster([0.3, 0.3, 0.3, 0.3]), 4);
  assert.is(reference.topCluster([0.2]), 1);
  assert.is(reference.topCluster([]), 0);
  // Lloyd's iterations from any start cannot better the optimum.
  const generator = new Generator(1);
  const values = Array.from({ length: 40 }, () => generator.uniform() ** 4).sort((a, b) => b - a);
  const mean = (part: number[]): number => part.reduce((sum, v) => sum + v, 0) / part.length;
  const cost = (part: number[]): number => part.reduce((sum, v) => sum + (v - mean(part)) ** 2, 0);
  const size = reference.topCluster(values);
  const best = Math.min(
    ...values.slice(size + 1).map((_, k) => cost(values.slice(size, size + 1 + k)) + cost(values.slice(size + 1 + k))),
  );
  for (let run = 0; run < 20; run++) {
    let means = [0, 1, 2].map(() => values[generator.integer(values.length)]).sort((a, b) => b - a);
    for (let iteration = 0; iteration < 30; iteration++) {
      const parts: number[][] = [[], [], []];
      for (const v of values) {
        const distances = means.map((m) => Math.abs(v - m));
        parts[distances.indexOf(Math.min(...distances))].push(v);
      }
      means = parts.map((part, k) => (part.length > 0 ? mean(part) : means[k]));
    }
    const nearest = values.map((v) => Math.min(...means.map((m) => (v - m) ** 2)));
    assert.ok(cost(values.slice(0, size)) + best <= nearest.reduce((sum, d) => sum + d, 0) + 1e-12);
  }
});

gpuTest('labels straight from clusters', async ({ device }) => {
  const [n, columns] = [300, 4];
  const generator = new Generator(2);
  const assigned = new Float32Array(n * columns);
  const rows = Array.from({ length: n }, (_, row) => {
    const column = generator.integer(columns + 1) - 1;
    if (column >= 0) assigned[row * columns + column] = column + 7;
    return column;
  });
  const buffers = { assigned, pseudoLabels: n, pseudoIou: n, clusters: n, lossWeights: n, count: 1 };
  const found = await runKernel(device, kernels.clusterLabels({ n, columns }), buffers);
  assert.equal([...found.pseudoLabels], rows);
  assert.equal(
    [...found.pseudoIou],
    rows.map((column) => (column > 0 ? 1 : 0)),
  );
  assert.equal(
    [...found.clusters],
    rows.map((column) => (column > 0 ? column + 7 : -1)),
  );
  assert.equal(
    [...found.lossWeights],
    rows.map((column) => (column >= 0 ? 1 : 0)),
  );
  assert.equal([...found.count], [rows.filter((column) => column >= 0).length]);
});

gpuTest('big proposals become background', async ({ device }) => {
  const [pseudoLabels, usable] = [Int32Array.of(-1, 3, 2, 0, 1), Uint32Array.of(0, 0, 1, 1, 1)];
  const found = await runKernel(device, kernels.bigProposalsToBackground({ n: 5 }), { usable, pseudoLabels });
  assert.equal([...found.pseudoLabels], [0, 0, 2, 0, 1]);
});

test.run();
