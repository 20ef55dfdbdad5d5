import { type AntiNoise, type Mined, minePseudoLabels, type MiningOptions } from '@cim/model/mining/index';
import { float16 } from '@cim/model/mining/float16';
import { philox, type Tensor } from '@cim/runtime';
import { expectClose, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Golden, golden } from '../golden.ts';

const test = suite('mining');
const device = await testDevice();

const FILES = [
  'cim_voc_noanti_n57',
  'cim_voc_stage1_n120',
  'cim_voc_stage2_n96',
  'cim_coco_noanti_n64',
  'cim_voc_none',
  'cim_voc_ties',
  'cim_voc_ties_anti_off',
  'cim_voc_bigproposals',
  'cim_voc_single_proposal',
  'cim_coco_overwrite',
  'cim_voc_nobg_column',
  'cim_voc_half_threshold',
  'mist_voc_anti_n100',
  'mist_coco_noanti_n57',
  'mist_voc_ties',
  'mist_voc_single',
  'mist_voc_half_threshold',
];

/** Mines as the golden's options say. */
function mine(file: Golden, antiNoise: AntiNoise | null): Mined {
  const upload = (name: string): Tensor => {
    const { data, shape } = file.tensor(name);
    return device.tensor(data, shape);
  };
  const { options } = file;
  const inputs = {
    cls: upload('in.predict_cls'),
    det: upload('in.predict_det'),
    labels: upload('in.labels'),
    iou: upload('in.iou_map'),
    containment: upload('in.asy_iou_map'),
  };
  const settings: MiningOptions = {
    strategy: options.using_CIM ? 'cim' : 'mist',
    seedFraction: options.p_seed,
    clsThreshold: options.cls_thr,
    nmsThreshold: options.nms_thr,
    iouThreshold: options.iou_thr,
    containmentThreshold: options.con_thr,
    antiNoise,
  };
  return device.scope(() => minePseudoLabels(device, inputs, settings));
}

/** Class + 1 of a one-hot row, 0 background; −1 for a row of zeros. */
const labelOf = (row: Float32Array): number => row.indexOf(1);

async function expectGolden(file: Golden, mined: Mined): Promise<void> {
  const { options } = file;
  const n = options.N;
  const selected = [...file.tensor('out.seed_gt_idxs', 'U8').data];
  const truths = selected.flatMap((chosen, i) => (chosen ? [i] : []));
  assert.equal([...(await mined.count.read())], [truths.length], 'count');

  const seedTargets = file.tensor('out.seed_gt_labels');
  const columns = seedTargets.shape[1];
  const rowOf = (data: Float32Array, i: number) => data.subarray(i * columns, (i + 1) * columns);
  const seedLabels = new Int32Array(n).fill(-1);
  const seedWeights = new Float32Array(n);
  truths.forEach((proposal, k) => {
    seedLabels[proposal] = labelOf(rowOf(seedTargets.data, k));
    seedWeights[proposal] = file.tensor('out.seed_gt_weights').data[k];
  });
  assert.equal([...(await mined.seedLabels.read())], [...seedLabels], 'seed labels');
  expectClose(await mined.seedWeights.read(), seedWeights, { relative: 1e-5, scaled: 0 }, 'seed weights');

  const pseudoLabels = [...(await mined.pseudoLabels.read())];
  const pseudoIou = [...(await mined.pseudoIou.read())];
  const lossWeights = await mined.lossWeights.read();
  if (options.returns_none) {
    assert.is(truths.length, 0);
    assert.equal(pseudoLabels, Array(n).fill(-1));
    assert.equal(pseudoIou, Array(n).fill(0));
    assert.equal([...lossWeights], Array(n).fill(0));
    return;
  }
  const { data } = file.tensor('out.pseudo_labels');
  assert.equal(pseudoLabels, Array.from({ length: n }, (_, i) => labelOf(rowOf(data, i))), 'pseudo labels');
  assert.equal(pseudoIou, [...file.tensor('out.pseudo_iou_labels').data], 'IoU labels');
  expectClose(lossWeights, file.tensor('out.loss_weights').data, { relative: 1e-5, scaled: 0 }, 'loss weights');
}

for (const name of FILES) {
  test(`mining equals the golden: ${name}`, async () => {
    const file = golden(name);
    if (!file.options.Anti_noise_sampling) {
      await expectGolden(file, mine(file, null));
    } else if (file.has('in.draw_values')) {
      const draws = file.tensor('in.draw_values', 'I32').data;
      await expectGolden(file, mine(file, { draws }));
      await expectGolden(file, mine(file, { uniforms: file.tensor('in.draw_uniforms').data }));
    } else {
      assert.ok(file.options.returns_none);
      await expectGolden(file, mine(file, { seed: 1, counter: 0 }));
    }
  });
}

test('seeded sampling draws the uniforms of the counter, and repeats', async () => {
  const file = golden('cim_voc_stage1_n120');
  const [seed, counter] = [5, 2 ** 33 + 1];
  const draws = file.tensor('in.draw_values', 'I32').data.length;
  const uniforms = Array.from({ length: draws }, (_, j) => (philox(seed, counter + j)[0] >>> 8) / 2 ** 24);
  const read = async (mined: Mined) => [...(await mined.pseudoLabels.read()), ...(await mined.lossWeights.read())];
  const seeded = await read(mine(file, { seed, counter }));
  assert.equal(seeded, await read(mine(file, { uniforms })));
  assert.equal(seeded, await read(mine(file, { seed, counter })));
});

test('mining keeps no memory but its results', async () => {
  const file = golden('cim_voc_noanti_n57');
  device.scope(() => {
    const tensor = (name: string) => device.tensor(file.tensor(name).data, file.tensor(name).shape);
    const inputs = {
      cls: tensor('in.predict_cls'),
      det: tensor('in.predict_det'),
      labels: tensor('in.labels'),
      iou: tensor('in.iou_map'),
      containment: tensor('in.asy_iou_map'),
    };
    const options = { strategy: 'cim', clsThreshold: 0.25, nmsThreshold: 0.25, iouThreshold: 0.5 } as const;
    const before = device.memoryUse.live;
    const dispatches = device.dispatches;
    const mined = minePseudoLabels(device, inputs, { ...options, antiNoise: { uniforms: new Float32Array(57) } });
    assert.is(device.dispatches - dispatches, 4);
    for (const tensor of Object.values(mined)) (tensor as Tensor).dispose();
    assert.is(device.memoryUse.live, before);
  });
});

test('scores of another number of classes are refused', () => {
  const tensor = (...shape: number[]) => device.zeros(shape);
  const inputs = { det: tensor(5, 4), labels: tensor(3), iou: tensor(5, 5), containment: tensor(5, 5) };
  const options = { clsThreshold: 0.25, nmsThreshold: 0.25, iouThreshold: 0.5, antiNoise: null } as const;
  assert.throws(
    () => minePseudoLabels(device, { ...inputs, cls: tensor(5, 6) }, { ...options, strategy: 'mist' }),
    /got \[5,6\], \[5,4\], \[3\]/,
  );
});

test('float16 rounds to the nearest half, ties to even', () => {
  const cases = [
    [0, 0],
    [0.25, 0.25],
    [0.35, 0.35009765625],
    [0.45, 0.449951171875],
    [0.6, 0.60009765625],
    [0.7, 0.7001953125],
    [0.85, 0.85009765625],
    [-0.85, -0.85009765625],
    [1, 1],
    [1 + 2 ** -11, 1],
    [1 + 3 * 2 ** -11, 1 + 2 ** -9],
    [1e-5, 168 * 2 ** -24],
    [65503, 65504],
  ];
  for (const [x, half] of cases) assert.is(float16(x), half, `${x}`);
});

test.run();
