import { type Batch, Cim, type Supervision } from '@cim/model/cim';
import type { Mined } from '@cim/model/mining/index';
import { constant } from '@cim/model/nn/initialise';
import { ParameterStore } from '@cim/model/nn/parameters';
import type { ScheduleConfig } from '@cim/model/solver/schedule';
import { type SgdConfig, Solver } from '@cim/model/solver/solver';
import { type Device, Generator, type Parameter, Tape } from '@cim/runtime';
import type { CaseKind } from '../case.ts';
import { type Comparison, compare, type Tolerance, tolerances } from '../compare.ts';
import type { Golden } from '../golden.ts';
import { recordedDraws } from './mining.ts';
import { hrnetConfigOf, parameterGradients } from './networks.ts';

/** The original's solver, from the options of a golden file. */
const sgdOf = (golden: Golden): SgdConfig => ({
  type: 'sgd',
  momentum: golden.option('momentum'),
  scaleMomentum: golden.option<boolean>('SCALE_MOMENTUM', true),
  weightDecay: golden.option('weight_decay'),
  biasDecay: golden.option('bias_weight_decay') !== 0,
  biasLrFactor: golden.option('bias_lr_multiplier'),
  lrFactors: [],
  clipNorm: null,
  schedule: scheduleOf(golden),
});

const scheduleOf = (golden: Golden): ScheduleConfig => ({
  baseLr: golden.option('BASE_LR'),
  warmupSteps: golden.option('WARM_UP_ITERS'),
  warmupFactor: golden.option('WARM_UP_FACTOR', 1 / 3),
  // The first entry of STEPS is where training starts; no decay happens there.
  decay: {
    type: 'step',
    decaySteps: golden.option<number[]>('STEPS', [0]).slice(1),
    gamma: golden.option('GAMMA', 0.1),
  },
});

/** Updates are compared against the size of the parameter, so a wrong step cannot hide behind it. */
const PARAMETER: Tolerance = { relative: 1e-5, factor: 1e-6, absolute: 1e-7 };

/** Feeds the recorded gradients of every step to the solver. */
async function checkSolver(device: Device, golden: Golden): Promise<Comparison[]> {
  const store = new ParameterStore(device, new Generator(0));
  const trainable = golden.option<string[]>('trainable');
  for (const [name, { shape }] of golden.group('param.')) {
    store.scope().frozen(!trainable.includes(name)).parameter(name, shape, constant(0));
  }
  await golden.load(store);
  const solver = new Solver(device, store, sgdOf(golden));
  const comparisons: Comparison[] = [];
  const steps = golden.shape('out.lr')[0];
  for (let step = 0; step < steps; step++) {
    store.zeroGrad();
    for (const [name, { data }] of golden.group(`grad.step${step}.`)) {
      const parameter = store.tensors.get(name) as Parameter;
      parameter.grad.write(data as Float32Array);
      parameter.touched = true;
    }
    solver.step(step);
    const lr = golden.data('out.lr').slice(2 * step, 2 * step + 2);
    comparisons.push(compare(`out.lr[${step}]`, [solver.lr, 2 * solver.lr], lr, { relative: 1e-6, factor: 0 }));
    for (const [name, { data }] of golden.group(`out.step${step}.`)) {
      comparisons.push(
        compare(`out.step${step}.${name}`, await store.tensors.get(name)!.read(), data as Float32Array, PARAMETER),
      );
    }
  }
  for (const [name, { data }] of golden.group('out.momentum_final.')) {
    const momentum = await solver.momentOf(store.tensors.get(name) as Parameter, 'momentum').read();
    comparisons.push(compare(`out.momentum_final.${name}`, momentum, data as Float32Array, tolerances.operation));
  }
  return comparisons;
}

/** One image, three steps: losses, labels, gradients, parameters and test scores of the whole network. */
async function checkEndToEnd(device: Device, golden: Golden): Promise<Comparison[]> {
  const cim = new Cim(
    device,
    {
      classes: golden.option('num_classes'),
      backbone: hrnetConfigOf(golden),
      region: { channels: golden.option('final_channels'), hidden: golden.option('hidden_dim'), fuseMasks: true },
      branches: golden.option('REFINE_TIMES'),
      strategy: 'cim',
      seedFraction: golden.option('p_seed'),
      thresholdStep: golden.option('step_rate'),
      containmentThreshold: 0.85,
      antiNoiseBranch: true,
      antiNoiseSampling: golden.option<boolean>('Anti_noise_sampling'),
      clusterLoss: true,
      maskIouHead: true,
      bigProposalsAreBackground: false,
    },
    new Generator(0),
  );
  await golden.load(cim.parameters);
  const batch: Batch = {
    images: golden.tensor(device, 'in.data'),
    rois: golden.tensor(device, 'in.rois'),
    masks: golden.tensor(device, 'in.masks'),
    counts: [golden.shape('in.rois')[0]],
  };
  const supervision: Supervision = {
    labels: golden.tensor(device, 'in.labels').reshape([-1]),
    clusters: golden.tensor(device, 'in.mat'),
    iou: golden.tensor(device, 'in.iou_map'),
    containment: golden.tensor(device, 'in.asy_iou_map'),
  };
  const solver = new Solver(device, cim.parameters, sgdOf(golden));
  const comparisons: Comparison[] = [];
  const add = async (name: string, read: Promise<ArrayLike<number>>, tolerance: Tolerance): Promise<void> => {
    comparisons.push(compare(name, await read, golden.data(name), tolerance));
  };

  const [steps] = golden.shape('out.losses');
  const order = golden.option<string[]>('loss_order');
  for (let step = 0; step < steps; step++) {
    const tape = new Tape(device);
    const pass = { tape, batchStatistics: false };
    const features = tape.keep(cim.backbone.forward(pass, batch.images));
    const region = tape.keep(cim.region.forward(pass, features, batch.rois, batch.masks));
    const [scores] = cim.heads.forward(pass, region, batch.counts);
    if (step === 0) {
      await add('out.blob_conv', features.read(), tolerances.network);
      await add('out.box_head', region.read(), tolerances.network);
      await add('out.predict_cls', scores.classifier.read(), tolerances.network);
      await add('out.predict_det', scores.detector.read(), tolerances.network);
      for (const [k, { cls, iou }] of scores.refinement.entries()) {
        await add(`out.refine_cls.${k}`, cls.read(), tolerances.network);
        await add(`out.refine_iou.${k}`, iou.read(), tolerances.network);
      }
    }
    const found = cim.losses(
      tape,
      scores,
      supervision,
      (k) => recordedDraws(golden, `.s${step}.l${k}`) ?? { draws: [] },
    );
    for (const [k, { pseudoLabels, pseudoIou, lossWeights }] of (found.mined as Mined[]).entries()) {
      const at = `.s${step}.l${k}`;
      await add(`out.pseudo_labels${at}`, pseudoLabels.read(), tolerances.exact);
      await add(`out.pseudo_iou_labels${at}`, pseudoIou.read(), tolerances.exact);
      await add(`out.loss_weights${at}`, lossWeights.read(), tolerances.network);
    }
    const branches = await Promise.all(found.refinement.map((losses) => losses.read()));
    const sum = (i: number): number => branches.reduce((total, losses) => total + losses[i], 0);
    const losses: Record<string, number> = {
      bag_loss: (await found.bag!.read())[0] + sum(2),
      pcl_loss: (await found.pcl!.read())[0],
      cls_loss: sum(0),
      iou_loss: 3 * sum(1),
    };
    const expected = golden.data('out.losses').slice(step * order.length, (step + 1) * order.length);
    comparisons.push(
      compare(
        `out.losses[${step}]`,
        order.map((name) => losses[name]),
        expected,
        tolerances.loss,
      ),
    );
    if (step === steps - 1) break;
    cim.parameters.zeroGrad();
    tape.backward();
    if (step === 0) comparisons.push(...(await parameterGradients(golden, cim.parameters, tolerances.networkGradient)));
    solver.step(step);
  }
  for (const [name, { data }] of golden.group('out.param_after3.')) {
    const actual = await cim.parameters.tensors.get(name)!.read();
    comparisons.push(compare(`out.param_after3.${name}`, actual, data as Float32Array, tolerances.operation));
  }
  return [...comparisons, ...(await testScores(golden, cim, batch))];
}

/** cls·iou of every branch without the background column, and their mean. */
async function testScores(golden: Golden, cim: Cim, batch: Batch): Promise<Comparison[]> {
  const [{ refinement }] = cim.forward(new Tape(cim.parameters.device, { recording: false }), batch);
  const { classes } = cim.config;
  const branches = await Promise.all(
    refinement.map(async ({ cls, iou }) => {
      const [p, q] = [await cls.read(), await iou.read()];
      return Float32Array.from(p, (value, i) => value * q[i]).filter((_, i) => i % (classes + 1) > 0);
    }),
  );
  const mean = branches[0].map((_, i) => branches.reduce((sum, scores) => sum + scores[i], 0) / branches.length);
  return [
    ...branches.map((scores, k) =>
      compare(`out.test_refine_score.${k}`, scores, golden.data(`out.test_refine_score.${k}`), tolerances.network),
    ),
    compare('out.test_scores', mean, golden.data('out.test_scores'), tolerances.network),
  ];
}

/** optimizer_*, e2e_*_train: the solver alone, and everything together. */
export const training: CaseKind[] = [
  { pattern: /^optimizer_/, check: checkSolver },
  { pattern: /^e2e_.*_train/, check: checkEndToEnd },
];
