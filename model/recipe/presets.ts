import type { BackboneConfig } from '../backbone/index.ts';
import { prmClassifier } from '../prm/recipe.ts';
import type { SolverConfig } from '../solver/solver.ts';
import { fullSizePresets } from './full-size.ts';
import type { Recipe } from './recipe.ts';

/** 19 thousand parameters, stride 4, 32 channels, a receptive field of 31 pixels. */
const residual: BackboneConfig = {
  type: 'residual',
  stemChannels: 12,
  stages: [
    { channels: 16, blocks: 1, stride: 2 },
    { channels: 32, blocks: 1, stride: 1 },
  ],
};

/** A small HRNet whose first branch stays at stride 4; nothing is frozen, since it learns from scratch. */
const hrnet: BackboneConfig = {
  type: 'hrnet',
  stemChannels: 16,
  stage1: { blocks: 1, channels: 8 },
  stages: [
    { modules: 1, blocks: [1, 1], channels: [16, 32] },
    { modules: 1, blocks: [1, 1, 1], channels: [32, 32, 48] },
  ],
  head: { type: 'high-resolution' },
  freezeAt: 0,
};

/** What the presets differ in. */
interface Budget {
  readonly name: string;
  readonly description: string;
  readonly backbone: BackboneConfig;
  /** Steps of 8 images. */
  readonly classifierSteps: number;
  /** Steps of 4 images. */
  readonly steps: number;
  /** Mirrored test passes double the time of inference. */
  readonly flip: boolean;
}

const jitter = { brightness: 0.25, offset: 0.06, channel: 0.07 };

/** From scratch a residual network learns best with SGD; a high-resolution one is left far behind by it. */
function classifierSolver({ backbone, classifierSteps }: Budget): SolverConfig {
  const warmupSteps = Math.round(classifierSteps / 6);
  const decay = { type: 'cosine', steps: classifierSteps } as const;
  if (backbone.type === 'hrnet') {
    return { ...adam, schedule: { baseLr: 3e-3, warmupSteps, warmupFactor: 0, decay } };
  }
  return {
    type: 'sgd',
    momentum: 0.9,
    scaleMomentum: false,
    weightDecay: 5e-4,
    biasLrFactor: 1,
    lrFactors: [],
    biasDecay: true,
    clipNorm: null,
    schedule: { baseLr: 0.05, warmupSteps, warmupFactor: 0, decay },
  };
}

const adam = {
  type: 'adamw',
  betas: [0.9, 0.999],
  weightDecay: 5e-4,
  biasLrFactor: 1,
  lrFactors: [],
  biasDecay: false,
  clipNorm: null,
} as const;

/** A complete recipe for learning from scratch on small data. */
const fromScratch = (budget: Budget): Recipe => ({
  name: budget.name,
  description: budget.description,
  workingSize: 320,
  seed: 3,
  backbone: budget.backbone,
  backboneWeights: null,
  classifier: {
    backbone: null,
    canvas: null,
    weights: null,
    pooling: { type: 'log-sum-exp', sharpness: 4, peakWindow: 3 },
    training: {
      steps: budget.classifierSteps,
      batch: 8,
      imagesPerPass: 8,
      statistics: 'batch',
      jitter,
      geometry: { scale: 0.2, shift: 0.075 },
    },
    solver: classifierSolver(budget),
  },
  proposals: { type: 'superpixels', superpixels: 400, limit: 80, nms: 0.85, minAreaFraction: 0.006 },
  labels: { source: 'peaks', peakThreshold: 2, averageThreshold: 0.45, iouThreshold: 0.5 },
  cim: {
    region: { channels: 32, hidden: 128, fuseMasks: true },
    branches: 3,
    strategy: 'cim',
    seedFraction: 0.2,
    thresholdStep: 0.1,
    containmentThreshold: 0.85,
    antiNoiseBranch: true,
    antiNoiseSampling: true,
    clusterLoss: true,
    maskIouHead: true,
    bigProposalsAreBackground: false,
  },
  training: {
    steps: budget.steps,
    imagesPerStep: 4,
    imagesPerPass: 4,
    recompute: false,
    view: { type: 'jitter', ...jitter },
  },
  solver: {
    ...adam,
    schedule: {
      baseLr: 1e-3,
      warmupSteps: Math.round(budget.steps / 6),
      warmupFactor: 1 / 3,
      decay: { type: 'step', decaySteps: [Math.round(0.7 * budget.steps)], gamma: 0.1 },
    },
  },
  checkpointEvery: 100,
  test: { scales: [1], unit: 'image', flip: budget.flip, nmsThreshold: 0.3, detectionsPerImage: 100 },
  pseudoLabelThreshold: 0.3,
});

const small = fromScratch({
  name: 'small',
  description: 'a small residual network for small data: a quarter of an hour on two CPU cores',
  backbone: residual,
  classifierSteps: 1200,
  steps: 600,
  flip: true,
});

const DEMO_STEPS = 300;
const demoBudget = fromScratch({
  name: 'demo',
  description: 'the same network with as many steps as the demo data set needs',
  backbone: residual,
  classifierSteps: 220,
  steps: DEMO_STEPS,
  flip: true,
});
/**
 * Of so few images every label counts: clusters are purer, for a proposal must overlap more of the average mask. A rate
 * that falls from the start needs fewer steps.
 */
const demo: Recipe = {
  ...demoBudget,
  labels: { ...demoBudget.labels, averageThreshold: 0.4, iouThreshold: 0.6 },
  solver: {
    ...adam,
    schedule: {
      baseLr: 1e-3,
      warmupSteps: Math.round(DEMO_STEPS / 6),
      warmupFactor: 1 / 3,
      decay: { type: 'cosine', steps: DEMO_STEPS },
    },
  },
};

/** Recipes that train from scratch on a user's own folder, and those of the paper's experiments. */
export const presets = {
  small,
  demo,
  'demo-hrnet': fromScratch({
    name: 'demo-hrnet',
    description: 'the demo on a small high-resolution network whose first branch stays at stride 4',
    backbone: hrnet,
    classifierSteps: 320,
    steps: 400,
    flip: true,
  }),
  short: fromScratch({
    name: 'short',
    description: 'fewer steps, for software drivers that are several times slower still',
    backbone: residual,
    classifierSteps: 200,
    steps: 230,
    flip: false,
  }),
  prm: {
    ...small,
    name: 'prm',
    description: 'peak response mapping on a ResNet-50 from ImageNet, before the network of the preset small',
    // 20 epochs of the 10 582 training images of PASCAL VOC.
    classifier: prmClassifier({ weights: 'model_weight/resnet50-0676ba61.pth', steps: 13_228 }),
    labels: { ...small.labels, peakThreshold: 10 },
  },
  ...fullSizePresets,
} as const satisfies Record<string, Recipe>;
/** Names that `--preset` takes. */
export type PresetName = keyof typeof presets;
