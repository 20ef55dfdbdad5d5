import type { BackboneConfig } from '../backbone/index.ts';
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

const small: Recipe = {
  name: 'small',
  description: 'A small residual network for small data: minutes on two CPU cores.',
  workingSize: 320,
  seed: 3,
  backbone: residual,
  classifier: {
    sharpness: 4,
    training: {
      steps: 360,
      batch: 8,
      jitter: { brightness: 0.25, offset: 0.06, channel: 0.07 },
      geometry: { scale: 0.2, shift: 0.075 },
    },
    solver: {
      type: 'sgd',
      momentum: 0.9,
      scaleMomentum: false,
      weightDecay: 5e-4,
      biasLrFactor: 1,
      biasDecay: true,
      clipNorm: null,
      schedule: { baseLr: 0.05, warmupSteps: 60, warmupFactor: 0, decay: { type: 'cosine', steps: 360 } },
    },
  },
  proposals: { superpixels: 400, limit: 80, nms: 0.85, minAreaFraction: 0.006 },
  labels: { peakThreshold: 2, averageThreshold: 0.5, iouThreshold: 0.5 },
  cim: {
    region: { channels: 32, hidden: 128 },
    branches: 3,
    strategy: 'cim',
    seedFraction: 0.1,
    thresholdStep: 0.1,
    containmentThreshold: 0.85,
    antiNoiseSampling: true,
    clusterLoss: true,
  },
  training: { steps: 500, imagesPerStep: 4, imagesPerPass: 4, jitter: { brightness: 0.25, offset: 0.06, channel: 0.07 } },
  solver: {
    type: 'adamw',
    betas: [0.9, 0.999],
    weightDecay: 5e-4,
    biasLrFactor: 1,
    biasDecay: false,
    clipNorm: null,
    schedule: {
      baseLr: 1e-3,
      warmupSteps: 80,
      warmupFactor: 1 / 3,
      decay: { type: 'step', decaySteps: [350], gamma: 0.1 },
    },
  },
  checkpointEvery: 100,
  test: { scales: [1], flip: true, nmsThreshold: 0.3, detectionsPerImage: 100 },
  pseudoLabelThreshold: 0.3,
};

const short: Recipe = {
  ...small,
  name: 'short',
  description: 'The small recipe with fewer steps, for slow software drivers.',
  classifier: {
    ...small.classifier,
    training: { ...small.classifier.training, steps: 270 },
    solver: {
      ...small.classifier.solver,
      schedule: { ...small.classifier.solver.schedule, decay: { type: 'cosine', steps: 270 } },
    },
  },
  training: { ...small.training, steps: 250 },
  solver: {
    ...small.solver,
    schedule: {
      ...small.solver.schedule,
      warmupSteps: 50,
      decay: { type: 'step', decaySteps: [175], gamma: 0.1 },
    },
  },
};

const smallHrnet: Recipe = {
  ...small,
  name: 'small-hrnet',
  description: 'As small, on a high-resolution network.',
  backbone: hrnet,
  classifier: {
    ...small.classifier,
    // From scratch, SGD leaves a high-resolution network far behind.
    solver: {
      type: 'adamw',
      betas: [0.9, 0.999],
      weightDecay: 5e-4,
      biasLrFactor: 1,
      biasDecay: false,
      clipNorm: null,
      schedule: { ...small.classifier.solver.schedule, baseLr: 3e-3 },
    },
  },
};

/** Recipes that train from scratch on a user's own folder. */
export const presets = { small, short, 'small-hrnet': smallHrnet } as const satisfies Record<string, Recipe>;
export type PresetName = keyof typeof presets;
