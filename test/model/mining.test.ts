import { Cim } from '@cim/model/cim';
import { OverlapCache } from '@cim/model/masks/index';
import { float16 } from '@cim/model/mining/float16';
import { type AntiNoise, type Mined, type MiningOptions, minePseudoLabels } from '@cim/model/mining/index';
import { uploadBatch, uploadSupervision } from '@cim/model/train/sample';
import { Generator, philox, Tape, type Tensor } from '@cim/runtime';
import { testDevice } from '@cim/runtime/testing';
import type { Golden } from '@cim/tools/verify/golden';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { golden } from '../golden.ts';
import { makeSample, tinyConfig } from './samples.ts';

const test = suite('mining');
const device = await testDevice();

/** Mines as the golden's options say. */
function mine(file: Golden, antiNoise: AntiNoise | null): Mined {
  const upload = (name: string): Tensor => file.tensor(device, name);
  const inputs = {
    cls: upload('in.predict_cls'),
    det: upload('in.predict_det'),
    labels: upload('in.labels'),
    iou: upload('in.iou_map'),
    containment: upload('in.asy_iou_map'),
  };
  const settings: MiningOptions = {
    strategy: file.option<boolean>('using_CIM') ? 'cim' : 'mist',
    seedFraction: file.option('p_seed'),
    clsThreshold: file.option('cls_thr'),
    nmsThreshold: file.option('nms_thr'),
    iouThreshold: file.option('iou_thr'),
    containmentThreshold: file.option('con_thr'),
    antiNoise,
  };
  return device.scope(() => minePseudoLabels(device, inputs, settings));
}

const contents = async (mined: Mined): Promise<number[][]> =>
  Promise.all(Object.values(mined).map(async (tensor: Tensor) => [...(await tensor.read())]));

for (const name of ['cim_voc_stage1_n120', 'cim_voc_ties', 'mist_voc_anti_n100']) {
  test(`uniform numbers make the draws of the original: ${name}`, async () => {
    const file = await golden(name);
    const draws = Int32Array.from(file.data('in.draw_values'));
    const uniforms = file.data('in.draw_uniforms');
    assert.equal(await contents(mine(file, { uniforms })), await contents(mine(file, { draws })));
  });
}

test('without any instance there is nothing to learn', async () => {
  const mined = mine(await golden('cim_voc_none'), { seed: 1, counter: 0 });
  assert.equal([...(await mined.count.read())], [0]);
  for (const tensor of [mined.seedLabels, mined.pseudoLabels]) assert.ok((await tensor.read()).every((v) => v === -1));
  for (const tensor of [mined.seedWeights, mined.pseudoIou, mined.lossWeights]) {
    assert.ok((await tensor.read()).every((v) => v === 0));
  }
});

test('seeded sampling draws the uniforms of the counter, and repeats', async () => {
  const file = await golden('cim_voc_stage1_n120');
  const [seed, counter] = [5, 2 ** 33 + 1];
  const draws = file.data('in.draw_values').length;
  const uniforms = Array.from({ length: draws }, (_, j) => (philox(seed, counter + j)[0] >>> 8) / 2 ** 24);
  const read = async (mined: Mined) => [...(await mined.pseudoLabels.read()), ...(await mined.lossWeights.read())];
  const seeded = await read(mine(file, { seed, counter }));
  assert.equal(seeded, await read(mine(file, { uniforms })));
  assert.equal(seeded, await read(mine(file, { seed, counter })));
});

test('mining keeps no memory but its results', async () => {
  const file = await golden('cim_voc_noanti_n57');
  device.scope(() => {
    const tensor = (name: string) => file.tensor(device, name);
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

test('a step of three branches reads nothing back from the GPU', async () => {
  const { gpu } = device;
  const createBuffer = gpu.createBuffer;
  let readBacks = 0;
  // Whatever the host reads goes through a buffer that it may map.
  gpu.createBuffer = (descriptor) => {
    if (descriptor.usage & GPUBufferUsage.MAP_READ) readBacks++;
    return createBuffer.call(gpu, descriptor);
  };
  const overlaps = new OverlapCache(device);
  const cim = new Cim(device, tinyConfig, new Generator(1));
  try {
    const sample = makeSample(1, 48, 40);
    await device.scopeAsync(async () => {
      const batch = uploadBatch(device, [{ sample, view: { flip: false, targetSize: 48 } }]);
      const supervision = uploadSupervision(device, sample, overlaps);
      const tape = new Tape(device);
      const [scores] = cim.forward(tape, batch);
      const { mined } = cim.losses(tape, scores, supervision, (branch) => ({ seed: 1, counter: branch * 2 ** 20 }));
      tape.backward();
      await device.finish();
      assert.is(readBacks, 0);
      assert.is(mined.length, 3);
      for (const { count } of mined) assert.ok((await count.read())[0] > 0);
      assert.is(readBacks, 3);
    });
  } finally {
    gpu.createBuffer = createBuffer;
    overlaps.dispose();
    cim.parameters.dispose();
  }
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
