import * as kernels from '@cim/kernels';
import { assignPseudoLabels } from '@cim/kernels/mining/assign.reference';
import * as reference from '@cim/kernels/mining/mining.reference';
import { type Device, Generator, philox } from '@cim/runtime';
import { expectClose, gpuTests, runKernel } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CASES, type MiningCase, makeCase } from './mining-cases.ts';

const test = suite('mining kernels');
const gpuTest = gpuTests({ test });

const THRESHOLD = { nms: 0.25, cls: 0.25, iou: 0.5, containment: 0.85009765625 };

/** The claims of the positive classes as lists. */
function claimsOf(claimed: ArrayLike<number>, { n, classes, labels }: reference.Scores) {
  const claims = new Map<number, number[]>();
  for (let c = 0; c < classes; c++) {
    if (labels[c] === 0) continue;
    claims.set(c, []);
    for (let i = 0; i < n; i++) if (claimed[c * n + i] === 1) claims.get(c)!.push(i);
  }
  return claims;
}

/** Runs the kernels one by one, each checked against its reference on what the one before gave. */
async function check(
  device: Device,
  label: string,
  { scores, iou, containment, seeds }: MiningCase,
  seed: number,
): Promise<void> {
  const { n, classes, cls, det, labels } = scores;
  const shape = { n, classes, clsColumns: scores.clsColumns, detColumns: scores.detColumns };
  const claim = { ...shape, seeds, nmsThreshold: THRESHOLD.nms };
  const options = { iou, seeds, nmsThreshold: THRESHOLD.nms };
  const buffers = { cls, det, labels, iou, work: kernels.claimWorkSize(claim), claimed: classes * n };

  const usableKernel = kernels.usableProposals({ n, threshold: THRESHOLD.containment });
  const { usable } = await runKernel(device, usableKernel, { containment, usable: n });
  const expectedUsable = reference.usableProposals(containment, n, THRESHOLD.containment);
  assert.equal(
    [...usable].map((u) => u === 1),
    expectedUsable,
    `${label}: usable`,
  );

  const mist = await runKernel(device, kernels.claimSeeds(claim), buffers, { partial: ['claimed'], scratch: ['work'] });
  assert.equal(claimsOf(mist.claimed, scores), reference.claimSeeds(scores, options), `${label}: MIST claims`);

  const containers = kernels.claimContainers({ ...claim, containmentThreshold: THRESHOLD.containment });
  const cim = await runKernel(
    device,
    containers,
    { ...buffers, containment, usable },
    { partial: ['claimed'], scratch: ['work'] },
  );
  const claims = reference.claimContainers(scores, options, containment, expectedUsable, THRESHOLD.containment);
  assert.equal(claimsOf(cim.claimed, scores), claims, `${label}: claims`);

  for (const claimed of [cim.claimed, mist.claimed]) {
    const expected = reference.settleClaims(scores, claimsOf(claimed, scores));
    const counter = 2 ** 32 - 3;
    const select = kernels.selectPseudoTruths({ ...shape, sampling: 'philox', seed, counter });
    const selectBuffers = {
      cls,
      det,
      labels,
      claimed,
      given: [0],
      seedLabels: n,
      seedWeights: n,
      truths: kernels.truthsSize(n),
    };
    const { seedLabels, seedWeights, truths } = await runKernel(device, select, selectBuffers, { partial: ['truths'] });
    const count = truths[0];
    assert.is(count, expected.list.length, `${label}: count`);
    assert.equal([...seedLabels], [...expected.seedLabels], `${label}: seed labels`);
    expectClose(seedWeights, expected.seedWeights, { relative: 0, scaled: 0 }, `${label}: seed weights`);
    const list = [...truths.subarray(1, 1 + count)];
    assert.equal(list, expected.list, `${label}: list`);
    const survivors = list.filter((_, k) => truths[1 + n + k] === 1);
    const uniformAt = (draw: number) => (philox(seed, counter + draw)[0] >>> 8) / 2 ** 24;
    assert.equal(survivors, reference.sampleTruths(expected, uniformAt), `${label}: survivors`);

    const assign = kernels.assignPseudoLabels({ n, clsThreshold: THRESHOLD.cls, iouThreshold: THRESHOLD.iou });
    const assignBuffers = { iou, truths, seedLabels, seedWeights, pseudoLabels: n, pseudoIou: n, lossWeights: n };
    const assigned = await runKernel(device, assign, assignBuffers);
    const labelled = assignPseudoLabels(expected, survivors, iou, THRESHOLD.cls, THRESHOLD.iou);
    assert.equal([...assigned.pseudoLabels], [...labelled.pseudoLabels], `${label}: pseudo labels`);
    assert.equal([...assigned.pseudoIou], [...labelled.pseudoIou], `${label}: IoU labels`);
    assert.equal([...assigned.lossWeights], [...labelled.lossWeights], `${label}: loss weights`);
  }
}

for (const [name, given] of Object.entries(CASES)) {
  gpuTest(`steps equal the reference: ${name}`, async ({ device }) => {
    for (let seed = 0; seed < 6; seed++) await check(device, `seed ${seed}`, makeCase(given, seed), seed);
  });
}

gpuTest('steps equal the reference: 1200 proposals, more seeds than a workgroup', async ({ device }) => {
  await check(device, 'large', makeCase({ n: 1200, seeds: 300, classes: 3, positives: 2 }, 1), 1);
});

gpuTest('given draws and uniforms decide who survives', async ({ device }) => {
  const { scores, iou, seeds } = makeCase({ n: 90, seeds: 40, levels: 7 }, 4);
  const { n, classes, clsColumns, detColumns, cls, det, labels } = scores;
  const claims = reference.claimSeeds(scores, { iou, seeds, nmsThreshold: 0.6 });
  const claimed = new Uint32Array(classes * n);
  for (const [c, proposals] of claims) for (const proposal of proposals) claimed[c * n + proposal] = 1;
  const truths = reference.settleClaims(scores, claims);
  const generator = new Generator(1);
  const uniforms = truths.list.map(() => generator.uniform());
  const draws = truths.list.map(() => generator.integer(truths.list.length));
  const sampled = reference.sampleTruths(truths, (draw) => uniforms[draw]);
  assert.ok(sampled.length > 1 && sampled.length < truths.list.length);
  const expected = {
    none: truths.list,
    uniforms: sampled,
    draws: truths.list.filter((_, k) => draws.includes(k)),
  };
  for (const [sampling, given] of [
    ['none', [0]],
    ['uniforms', uniforms],
    ['draws', draws],
  ] as const) {
    const kernel = kernels.selectPseudoTruths({ n, classes, clsColumns, detColumns, sampling });
    const outputs = { seedLabels: n, seedWeights: n, truths: kernels.truthsSize(n) };
    const { truths: words } = await runKernel(
      device,
      kernel,
      { cls, det, labels, claimed, given, ...outputs },
      { partial: ['truths'] },
    );
    const survivors = truths.list.filter((_, k) => words[1 + n + k] === 1);
    assert.equal(survivors, expected[sampling], sampling);
  }
});

test.run();
