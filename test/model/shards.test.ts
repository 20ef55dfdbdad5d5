/** Training with sharded weights is training: the same numbers whatever a binding can hold. */
import { ClsIouModel } from '@cim/model/heads/cls-iou-model';
import { ParameterStore } from '@cim/model/nn/parameters';
import { MaskFuse } from '@cim/model/region/mask-fuse';
import { type SgdConfig, Solver, type SolverConfig } from '@cim/model/solver/solver';
import { Device, Generator, isParameter, ShardedTensor, Tape, type Tensor } from '@cim/runtime';
import { expectClose, randomArray, testDevice, testDriver } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('sharded training');
const whole = await testDevice();
/** Less than most weights below, more than any activation. */
const sharding = await Device.open({ driver: testDriver(), maxBinding: 20 * 1024 });
test.after(() => sharding.close());

const [CHANNELS, HIDDEN, CLASSES, PROPOSALS] = [21, 73, 8, 2];

/** Region features and heads: every kind of weight that is large in the full network, here with odd numbers of rows. */
function network(device: Device, seed: number) {
  const store = new ParameterStore(device, new Generator(seed));
  const config = { channels: CHANNELS, hidden: HIDDEN, fuseMasks: true };
  const region = new MaskFuse(store.scope('Box_Head'), CHANNELS, 8, config);
  const heads = new ClsIouModel(store.scope('cls_iou_model'), HIDDEN, CLASSES, 3);
  const forward = (tape: Tape, features: Tensor): Tensor => {
    const rois = device.tensor([0, 3, 2, 30, 35, 0, 10, 5, 44, 39], [PROPOSALS, 5]);
    const masks = device.tensor(randomArray([PROPOSALS, 7, 7], 8, 0, 1), [PROPOSALS, 7, 7]);
    const pass = { tape, batchStatistics: false };
    return heads.forward(pass, region.forward(pass, features, rois, masks), [PROPOSALS])[0].blocks;
  };
  return { store, forward };
}

const sgd: SgdConfig = {
  type: 'sgd',
  momentum: 0.9,
  scaleMomentum: true,
  weightDecay: 5e-4,
  biasDecay: false,
  biasLrFactor: 2,
  lrFactors: [],
  clipNorm: null,
  // The third step learns ten times slower, which rescales the momentum.
  schedule: { baseLr: 0.02, warmupSteps: 0, warmupFactor: 1, decay: { type: 'step', decaySteps: [2], gamma: 0.1 } },
};
const solvers: Record<string, SolverConfig> = {
  sgd,
  'adamw with clipped gradients': {
    ...sgd,
    type: 'adamw',
    betas: [0.9, 0.999],
    clipNorm: 0.5,
    schedule: { ...sgd.schedule, baseLr: 1e-3 },
  },
};

/** Everything there is after some steps, by name. */
async function train(device: Device, config: SolverConfig, steps: number): Promise<Map<string, ArrayLike<number>>> {
  const { store, forward } = network(device, 5);
  const solver = new Solver(device, store, config);
  const found = new Map<string, ArrayLike<number>>();
  for (let step = 0; step < steps; step++) {
    store.zeroGrad();
    const tape = new Tape(device);
    const features = tape.keep(device.tensor(randomArray([1, CHANNELS, 5, 6], step), [1, CHANNELS, 5, 6]));
    features.requiresGrad = true;
    const scores = tape.keep(forward(tape, features));
    tape.backward(scores, device.tensor(randomArray(scores.shape, 100 + step)));
    solver.step(step);
    // Blocks of scores begin where a binding may: what lies between them is nobody's.
    const [, stride] = scores.shape;
    const written = (await scores.read()).filter((_, i) => i % stride < PROPOSALS * (CLASSES + 1));
    found.set(`step ${step}, scores`, written);
    found.set(`step ${step}, gradient of the features`, await tape.gradient(features)!.read());
    for (const [name, weight] of store.tensors) {
      if (isParameter(weight)) found.set(`step ${step}, gradient of ${name}`, await weight.grad.read());
    }
  }
  for (const [name, tensor] of [...store.stateDict(), ...solver.stateDict()]) found.set(name, await tensor.read());
  solver.dispose();
  store.dispose();
  return found;
}

test('weights are sharded, the last shard smaller, and start with the same values', async () => {
  const [one, many] = [network(whole, 5).store, network(sharding, 5).store];
  const sharded = [...many.tensors].filter(([, weight]) => weight instanceof ShardedTensor);
  assert.equal(
    sharded.map(([name, weight]) => [name, (weight as ShardedTensor).shards.map(({ shape }) => shape[0])]),
    [
      ['Box_Head.mask_branch.0.weight', [13, 8]],
      ['Box_Head.seg_fc.0.weight', [...Array(18).fill(4), 1]],
      ['Box_Head.seg_fc.2.weight', [70, 3]],
      // The last of eight matrices of nine rows in one parameter that is cut at row 70.
      ['cls_iou_model.refine_iou.2.weight', [7, 2]],
    ],
  );
  assert.not([...one.tensors.values()].some((weight) => weight instanceof ShardedTensor));
  assert.equal([...one.tensors.keys()], [...many.tensors.keys()]);
  for (const [name, weight] of one.tensors)
    assert.equal(await many.tensors.get(name)!.read(), await weight.read(), name);
  new Solver(sharding, many, sgd).dispose();
  for (const store of [one, many]) store.dispose();
  assert.is(sharding.memoryUse.live, 0);
});

for (const [name, config] of Object.entries(solvers)) {
  test(`three steps of ${name}`, async () => {
    const [one, many] = [await train(whole, config, 3), await train(sharding, config, 3)];
    assert.equal([...one.keys()], [...many.keys()]);
    // Adam divides by gradients that may be near zero: their rounding shows.
    const tolerance = config.type === 'adamw' ? { relative: 1e-3, scaled: 1e-3 } : { relative: 1e-4, scaled: 1e-5 };
    for (const [key, values] of one) {
      // Its gradient is zero but for rounding.
      if (!key.endsWith('detector.bias')) expectClose(many.get(key)!, values, tolerance, key);
    }
  });
}

test('a state dict passes between devices of other limits, lazily or at once', async () => {
  const [one, many, third] = [network(whole, 1).store, network(sharding, 2).store, network(sharding, 3).store];
  const { loaded, missing, skipped } = await many.load(one.stateDict());
  assert.equal(loaded, [...one.tensors.keys()]);
  assert.equal([missing, skipped], [[], []]);
  const inMemory = new Map<string, { shape: readonly number[]; data: ArrayLike<number> }>();
  for (const [name, { shape, read }] of many.stateDict()) inMemory.set(name, { shape, data: await read() });
  await third.load(inMemory);
  for (const [name, weight] of one.tensors) {
    assert.equal(await many.tensors.get(name)!.read(), await weight.read(), name);
    assert.equal(await third.tensors.get(name)!.read(), await weight.read(), name);
  }
  for (const store of [one, many, third]) store.dispose();
});

test('what fits is loaded where that is asked for, and every name is accounted for', async () => {
  const { store } = network(sharding, 1);
  const name = 'Box_Head.seg_fc.2.bias';
  const state = new Map([
    [name, { shape: [HIDDEN], data: new Float32Array(HIDDEN).fill(3) }],
    ['elsewhere.weight', { shape: [1], data: [1] }],
  ]);
  const { loaded, missing, skipped } = await store.load(state, { strict: false });
  assert.equal([loaded, skipped], [[name], ['elsewhere.weight']]);
  assert.is(missing.length, store.tensors.size - 1);
  assert.equal(new Set(await store.tensors.get(name)!.read()), new Set([3]));
  store.dispose();
});

test.run();
