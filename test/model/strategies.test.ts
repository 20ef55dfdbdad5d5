import { Cim, type CimConfig, type CimLosses, lossParts, lossTerms, type Strategy } from '@cim/model/cim';
import { scoreProposals } from '@cim/model/infer/score-proposals';
import { proposalClusterLoss } from '@cim/model/loss/index';
import { OverlapCache } from '@cim/model/masks/index';
import { assignedLabels, mineProposalClusters, minePseudoLabels } from '@cim/model/mining/index';
import { uploadBatch, uploadSupervision } from '@cim/model/train/sample';
import { Generator, isParameter, Tape, Tensor } from '@cim/runtime';
import { expectClose, randomArray, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeSample, tinyConfig } from './samples.ts';

const test = suite('strategies');
const device = await testDevice();

const STRATEGIES: readonly Strategy[] = ['cim', 'mist', 'oicr', 'pcl', 'wsddn'];
const SWITCHES = ['antiNoiseBranch', 'antiNoiseSampling', 'clusterLoss', 'maskIouHead', 'bigProposalsAreBackground'];

/** All strategies with all settings of the switches that have a part in them. */
function* configurations(): IterableIterator<Partial<CimConfig>> {
  for (const strategy of STRATEGIES) {
    for (let bits = 0; bits < 2 ** SWITCHES.length; bits++) {
      const switches = Object.fromEntries(SWITCHES.map((name, i) => [name, ((bits >> i) & 1) === 0]));
      if (strategy === 'wsddn' && !switches.antiNoiseBranch) continue;
      const region = { ...tinyConfig.region, fuseMasks: bits % 3 > 0 };
      yield { ...switches, strategy, region, thresholdStep: bits % 2 ? 0.1 : 0 };
    }
  }
}

const sample = makeSample(1, 32, 24);
const view = { flip: false, targetSize: 32 };
const overlaps = new OverlapCache(device);

/** One training step without the solver: the losses by name, and which parameters have a gradient. */
async function learn(change: Partial<CimConfig>) {
  const config = { ...tinyConfig, ...change };
  const cim = new Cim(device, config, new Generator(3));
  cim.parameters.zeroGrad();
  const values = device.scope(() => {
    const tape = new Tape(device);
    const [scores] = cim.forward(tape, uploadBatch(device, [{ sample, view }]));
    const supervision = uploadSupervision(device, sample, overlaps);
    const losses: CimLosses = cim.losses(tape, scores, supervision, (k) => ({ seed: 1, counter: k * 2 ** 20 }));
    const parts = lossParts(losses);
    for (const part of parts) device.keep(part);
    tape.backward();
    return parts;
  });
  const terms = lossTerms(config);
  const numbers = (await Promise.all(values.map((part) => part.read()))).flatMap((part) => [...part]);
  assert.is(numbers.length, terms.length);
  const learned = new Set<string>();
  // Read at once: Deno and browsers look only every few milliseconds whether a buffer is there.
  const readGradient = async ([name, tensor]: [string, unknown]): Promise<void> => {
    if (!(tensor instanceof Tensor && isParameter(tensor))) return; // statistics of batch norm
    const gradient = await tensor.grad.read();
    assert.ok(gradient.every(Number.isFinite), name);
    if (gradient.some((g) => g !== 0)) learned.add(name);
  };
  await Promise.all([...cim.parameters.tensors].map(readGradient));
  for (const part of values) part.dispose();
  cim.parameters.dispose();
  return { losses: numbers.map((value, i) => ({ ...terms[i], value })), learned };
}

test('every combination of strategy and switches learns, its own layers only', async () => {
  for (const change of configurations()) {
    const { losses, learned } = await learn(change);
    const label = JSON.stringify(change);
    const learns = (name: string): boolean => learned.has(name);
    const refined = change.strategy !== 'wsddn';
    const scoresIou = change.maskIouHead && (change.strategy === 'cim' || change.strategy === 'mist');
    assert.ok(
      losses.every(({ value }) => Number.isFinite(value)),
      label,
    );
    assert.ok(learns('Box_Head.seg_fc.0.weight') && learns('Box_Head.mask_branch.0.weight'), label);
    assert.is(learns('cls_iou_model.classifier.weight'), change.antiNoiseBranch, label);
    assert.is(learns('cls_iou_model.detector.weight'), change.antiNoiseBranch, label);
    assert.is(learns('cls_iou_model.refine_cls.0.weight'), refined, label);
    if (!scoresIou) assert.not(learns('cls_iou_model.refine_iou.0.weight'), label);
    assert.is(
      losses.some(({ name }) => name === 'pcl'),
      change.antiNoiseBranch && change.clusterLoss,
      label,
    );
  }
});

test('the mask IoU head learns unless it is left out', async () => {
  for (const strategy of ['cim', 'mist'] as const) {
    const { learned } = await learn({ strategy });
    assert.ok(learned.has('cls_iou_model.refine_iou.2.bias'), strategy);
  }
});

test('without MaskFuse, scores do not depend on the masks', async () => {
  const dependsOnMasks = async (fuseMasks: boolean): Promise<boolean> => {
    const config = { ...tinyConfig, region: { ...tinyConfig.region, fuseMasks } };
    const cim = new Cim(device, config, new Generator(3));
    const { image, proposals } = sample;
    const halved = { ...proposals, regionMasks: proposals.regionMasks.map((share) => share / 2) };
    const pass = [{ size: 32, flip: false }];
    const full = await scoreProposals(device, cim, image, proposals, pass);
    const half = await scoreProposals(device, cim, image, halved, pass);
    cim.parameters.dispose();
    return full.refinement.some((score, i) => score !== half.refinement[i]);
  };
  assert.ok(await dependsOnMasks(true));
  assert.not(await dependsOnMasks(false));
});

test('proposals are scored by what the network has', async () => {
  const scoresOf = async (change: Partial<CimConfig>) => {
    const cim = new Cim(device, { ...tinyConfig, ...change }, new Generator(3));
    const scores = await scoreProposals(device, cim, sample.image, sample.proposals, [{ size: 32, flip: false }]);
    cim.parameters.dispose();
    return scores;
  };
  const full = await scoresOf({});
  const cls = await scoresOf({ maskIouHead: false });
  // The untrained IoU estimates are about a half.
  assert.ok(full.refinement.every((score, i) => score > 0.2 * cls.refinement[i] && score < 0.8 * cls.refinement[i]));
  for (const strategy of ['oicr', 'pcl'] as const)
    assert.equal((await scoresOf({ strategy })).refinement, cls.refinement);
  const { refinement, antiNoise } = await scoresOf({ strategy: 'wsddn' });
  assert.equal(refinement, antiNoise);
  assert.equal(antiNoise, full.antiNoise);
});

/** Two classes; proposals 0 to 2 are one object, 3 to 5 another, 6 lies apart. */
function twoObjects() {
  const n = 7;
  const iou = new Float32Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      const together = i < 6 && j < 6 && Math.floor(i / 3) === Math.floor(j / 3);
      iou[i * n + j] = i === j ? 1 : together ? 0.75 : 0;
    }
  iou[2 * n + 3] = iou[3 * n + 2] = 0.25; // between the objects
  const cls = [0.9, 0.8, 0.7, 0.3, 0.2, 0.1, 0.05].flatMap((p, i) => [1 - p, p, [0, 0, 0, 0.6, 0.9, 0.7, 0][i]]);
  return {
    cls: device.tensor(Float32Array.from(cls), [n, 3]),
    det: null,
    labels: device.tensor([1, 1]),
    iou: device.tensor(iou, [n, n]),
  };
}

test('OICR gathers proposals round the best of every class', async () => {
  const found = mineProposalClusters(device, twoObjects(), 'oicr');
  assert.equal([...(await found.pseudoLabels.read())], [1, 1, 1, 2, 2, 2, -1]);
  assert.equal([...(await found.clusters.read())], [0, 0, 0, 1, 1, 1, -1]);
  expectClose(await found.lossWeights.read(), [0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0]);
  assert.equal([...(await found.count.read())], [2]);
});

test('PCL gathers them round the centres of its graph', async () => {
  const found = mineProposalClusters(device, twoObjects(), 'pcl');
  // The best of three clusters of scores are 0 to 2, then 3 to 5.
  assert.equal([...(await found.clusters.read())], [0, 0, 0, 1, 1, 1, -1]);
  assert.equal([...(await found.pseudoLabels.read())], [1, 1, 1, 2, 2, 2, -1]);
});

test('proposals between the thresholds are background of the nearest cluster', async () => {
  const inputs = { ...twoObjects(), labels: device.tensor([1, 0]) };
  const found = mineProposalClusters(device, inputs, 'oicr');
  assert.equal([...(await found.pseudoLabels.read())], [1, 1, 1, -1, -1, -1, -1]);
  const iou = await inputs.iou.read();
  for (const j of [3, 4]) iou[j] = iou[j * 7] = j === 3 ? 0.05 : 0.25;
  const other = mineProposalClusters(device, { ...inputs, iou: device.tensor(iou, [7, 7]) }, 'oicr');
  assert.equal([...(await other.pseudoLabels.read())], [1, 1, 1, -1, 0, -1, -1]);
  expectClose(await other.lossWeights.read(), [0.9, 0.9, 0.9, 0, 0.9, 0, 0]);
});

test('without any positive class there is nothing to learn', async () => {
  for (const strategy of ['oicr', 'pcl'] as const) {
    const found = mineProposalClusters(device, { ...twoObjects(), labels: device.tensor([0, 0]) }, strategy);
    assert.equal([...(await found.count.read())], [0]);
    assert.ok((await found.pseudoLabels.read()).every((label) => label === -1));
    const cls = device.tensor(randomArray([7, 3], 1, 0.1, 0.9), [7, 3]);
    const options = { lambda: 3, pooled: strategy === 'pcl', weight: 1 };
    const loss = proposalClusterLoss(new Tape(device, { recording: false }), cls, found, options);
    assert.equal(await loss.read(), Float32Array.of(0));
  }
});

test('mining of clusters keeps no memory but its results', () => {
  const inputs = twoObjects();
  for (const strategy of ['oicr', 'pcl'] as const) {
    const { live } = device.memoryUse;
    const dispatches = device.dispatches;
    const found = mineProposalClusters(device, inputs, strategy);
    assert.is(device.dispatches - dispatches, 2);
    for (const tensor of Object.values(found)) tensor.dispose();
    assert.is(device.memoryUse.live, live);
  }
  assert.throws(
    () => mineProposalClusters(device, { ...inputs, iou: device.zeros([3, 3]) }, 'pcl'),
    /iou \[N, N\]; got \[7,3\], \[none\], \[2\] and \[3,3\]/,
  );
});

test('without a detector, CIM and MIST score proposals by their class', async () => {
  const inputs = { ...twoObjects(), labels: device.tensor([1, 0]) };
  const containment = inputs.iou;
  const options = { clsThreshold: 0.25, nmsThreshold: 0.25, iouThreshold: 0.5, seedFraction: 0.2, antiNoise: null };
  const mist = minePseudoLabels(device, { ...inputs, containment }, { ...options, strategy: 'mist' });
  expectClose(await mist.seedWeights.read(), [0.9, 0, 0, 0, 0, 0, 0]);
  const cim = minePseudoLabels(
    device,
    { ...inputs, containment },
    { ...options, strategy: 'cim', containmentThreshold: 0.5 },
  );
  expectClose(await cim.seedWeights.read(), [0.9, 0, 0, 0, 0, 0, 0]);
});

test('big proposals are background on request', async () => {
  const inputs = { ...twoObjects(), labels: device.tensor([1, 0]) };
  const containment = await inputs.iou.read();
  for (let j = 0; j < 7; j++) containment[1 * 7 + j] = 1; // the second proposal contains all
  const options = {
    strategy: 'cim',
    clsThreshold: 0.25,
    nmsThreshold: 0.25,
    iouThreshold: 0.5,
    antiNoise: null,
  } as const;
  const labelsOf = async (bigProposalsAreBackground: boolean): Promise<number[]> => {
    const maps = { ...inputs, containment: device.tensor(containment, [7, 7]) };
    const { pseudoLabels } = minePseudoLabels(device, maps, { ...options, bigProposalsAreBackground });
    return [...(await pseudoLabels.read())];
  };
  assert.equal(await labelsOf(false), [1, 1, 1, -1, -1, -1, -1]);
  assert.equal(await labelsOf(true), [1, 0, 1, -1, -1, -1, -1]);
});

test('the loss of a cluster follows its finite differences', async () => {
  const [n, columns] = [9, 4];
  const assigned = new Float32Array(n * columns);
  [1, 1, 1, 0, 0, 2, 2].forEach((column, row) => {
    assigned[row * columns + column] = column + 1;
  });
  const labels = { ...assignedLabels(device, device.tensor(assigned, [n, columns])) };
  const values = randomArray([n, columns], 4, 0.2, 0.8);
  for (const pooled of [false, true]) {
    const options = { lambda: 3, pooled, weight: 2 };
    const lossAt = async (x: Float32Array): Promise<number> => {
      const tape = new Tape(device, { recording: false });
      return (await proposalClusterLoss(tape, device.tensor(x, [n, columns]), labels, options).read())[0];
    };
    const tape = new Tape(device);
    const cls = tape.keep(device.tensor(values, [n, columns]));
    cls.requiresGrad = true;
    proposalClusterLoss(tape, cls, labels, options);
    tape.backward();
    const gradient = await tape.gradient(cls)!.read();
    const step = 2 ** -8;
    const expected = await Promise.all(
      Array.from(values, async (value, i) => {
        const [above, below] = [values.slice(), values.slice()];
        above[i] = value + step;
        below[i] = value - step;
        return (2 * ((await lossAt(above)) - (await lossAt(below)))) / (2 * step);
      }),
    );
    expectClose(gradient, expected, { relative: 2e-3, scaled: 1e-3 }, pooled ? 'PCL' : 'OICR');
  }
});

test.after(() => overlaps.dispose());
test.run();
