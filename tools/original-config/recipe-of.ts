/** The original's configurations as recipes of ours. */
import { basename } from 'node:path';
import { type BackboneConfig, type HRNetConfig, resnet50, vgg16 } from '@cim/model/backbone/index';
import { fullSizePresets } from '@cim/model/recipe/full-size';
import type { Recipe } from '@cim/model/recipe/recipe';
import { closest } from 'fastest-levenshtein';
import { ConfigError } from '../errors.ts';
import type { OriginalConfig } from './defaults.ts';

/** Arguments of the original's train.py that change its configuration. */
export interface TrainArguments {
  /** `--bs`: images a GPU sees at a time, on one GPU. */
  readonly batchSize?: number;
  /** `--iter_size`: batches whose gradients are summed. */
  readonly iterSize?: number;
}

/** A backbone, the channels of its features, and its weights' file. */
interface Body {
  readonly backbone: BackboneConfig;
  readonly channels: number;
  readonly weights: string;
}

/** torchvision's own ImageNet weights, which the original downloads. */
const TORCHVISION_RESNET50 = 'model_weight/resnet50-0676ba61.pth';

const BODIES: Readonly<Record<string, (config: OriginalConfig) => Body>> = {
  'HRNet.get_HRNet': (config) => ({
    backbone: hrnetOf(config),
    channels: 2048,
    weights: weightsFile(config.HRNET.IMAGENET_PRETRAINED_WEIGHTS),
  }),
  'resnet50.torch_resnet50': ({ ResNet }) => ({
    backbone: resnet50({ freezeAt: ResNet.FREEZE_AT }),
    channels: 1024,
    weights: TORCHVISION_RESNET50,
  }),
  'vgg16.dilated_conv5_body': ({ VGG }) => ({
    backbone: vgg16({ freezeAt: VGG.FREEZE_AT }),
    channels: 512,
    weights: weightsFile(VGG.IMAGENET_PRETRAINED_WEIGHTS),
  }),
};

/** `./data/` is where the data sets lie: the rest is sought there. */
const weightsFile = (path: string): string => path.replace(/^(\.\/)?data\//, '');

function hrnetOf({ MODEL: { EXTRA }, HRNET }: OriginalConfig): HRNetConfig {
  const { STAGE1, STAGE2, STAGE3, STAGE4 } = EXTRA;
  return {
    type: 'hrnet',
    stemChannels: 64,
    stage1: { blocks: STAGE1.NUM_BLOCKS[0], channels: STAGE1.NUM_CHANNELS[0] },
    stages: [STAGE2, STAGE3, STAGE4].map(({ NUM_MODULES, NUM_BLOCKS, NUM_CHANNELS }) => ({
      modules: NUM_MODULES,
      blocks: NUM_BLOCKS,
      channels: NUM_CHANNELS,
    })),
    head: { type: 'classification', channels: [32, 64, 128, 256], finalChannels: 2048 },
    freezeAt: HRNET.FREEZE_AT as 0 | 1 | 2,
  };
}

/** Settings that must have one value, for the original has no other that works, or nothing here does what it asks for. */
const REQUIRED: readonly (readonly [key: string, value: (config: OriginalConfig) => unknown, needed: unknown])[] = [
  ['transform_mode', (c) => c.transform_mode, 'ToTensor'],
  ['SOLVER.TYPE', (c) => c.SOLVER.TYPE, 'SGD'],
  ['SOLVER.LR_POLICY', (c) => c.SOLVER.LR_POLICY, 'steps_with_decay'],
  ['SOLVER.WARM_UP_METHOD', (c) => c.SOLVER.WARM_UP_METHOD, 'linear'],
  ['FAST_RCNN.ROI_XFORM_METHOD', (c) => c.FAST_RCNN.ROI_XFORM_METHOD, 'RoIAlign'],
  ['FAST_RCNN.ROI_XFORM_RESOLUTION', (c) => c.FAST_RCNN.ROI_XFORM_RESOLUTION, 7],
  ['FAST_RCNN.MASK_SIZE', (c) => c.FAST_RCNN.MASK_SIZE, 7],
  ['DEDUP_BOXES', (c) => c.DEDUP_BOXES, 0],
  ['TRAIN.USE_FLIPPED', (c) => c.TRAIN.USE_FLIPPED, true],
  ['TRAIN.FREEZE_CONV_BODY', (c) => c.TRAIN.FREEZE_CONV_BODY, false],
  ['TEST.SOFT_NMS.ENABLED', (c) => c.TEST.SOFT_NMS.ENABLED, false],
  ['TEST.BBOX_VOTE.ENABLED', (c) => c.TEST.BBOX_VOTE.ENABLED, false],
];

const round = (x: number): number => Math.floor(x + 0.5);

/**
 * A configuration of the original as the recipe of a run, after the rescaling that its train.py does: configurations are
 * written for NUM_GPUS × IMS_PER_BATCH images a step; the learning rate is scaled to the batch, the number of steps to the
 * batch times `iterSize`.
 *
 * @param path of the configuration, which names the recipe.
 * @throws ConfigError for a setting that cannot be followed.
 */
export function recipeOf(
  config: OriginalConfig,
  path: string,
  { batchSize = 1, iterSize = 4 }: TrainArguments = {},
): Recipe {
  for (const [key, value, needed] of REQUIRED) {
    if (value(config) === needed) continue;
    const shown = JSON.stringify(value(config));
    throw new ConfigError(
      `${path}: "${key}" is ${shown}, which cannot be followed.`,
      `Set it to ${JSON.stringify(needed)}.`,
    );
  }
  const { SOLVER, TRAIN, TEST, MODEL } = config;
  const { backbone, channels, weights } = bodyOf(MODEL.CONV_BODY, path)(config);
  const written = config.NUM_GPUS * TRAIN.IMS_PER_BATCH;
  const stepScale = written / (batchSize * iterSize);
  const name = basename(path).replace(/\.ya?ml$/, '');
  const isCoco = TRAIN.PROPOSAL_FILES.some((file) => file.includes('coco'));
  const base = fullSizePresets[isCoco ? 'resnet50_coco' : 'resnet50_voc'];
  return {
    ...base,
    name,
    description: `${name} of the original`,
    seed: config.RNG_SEED,
    backbone,
    backboneWeights: MODEL.LOAD_IMAGENET_PRETRAINED_WEIGHTS ? weights : null,
    labels: { ...base.labels, source: TRAIN.REFINE_FILES.some((file) => file.includes('point')) ? 'points' : 'peaks' },
    cim: {
      ...base.cim,
      region: { ...base.cim.region, channels },
      branches: config.REFINE_TIMES,
      seedFraction: config.p_seed,
      thresholdStep: config.step_rate,
      antiNoiseSampling: config.Anti_noise_sampling,
    },
    training: {
      steps: round(SOLVER.MAX_ITER * stepScale),
      imagesPerStep: batchSize * iterSize,
      imagesPerPass: 1,
      recompute: false,
      view: { type: 'resize', sizes: TRAIN.SCALES },
    },
    solver: {
      type: 'sgd',
      momentum: SOLVER.MOMENTUM,
      scaleMomentum: SOLVER.SCALE_MOMENTUM,
      weightDecay: SOLVER.WEIGHT_DECAY,
      biasLrFactor: SOLVER.BIAS_DOUBLE_LR ? 2 : 1,
      lrFactors: [],
      biasDecay: SOLVER.BIAS_WEIGHT_DECAY,
      clipNorm: null,
      schedule: {
        baseLr: (SOLVER.BASE_LR * batchSize) / written,
        warmupSteps: SOLVER.WARM_UP_ITERS,
        warmupFactor: SOLVER.WARM_UP_FACTOR,
        // The first of STEPS is 0, where the rate begins.
        decay: {
          type: 'step',
          decaySteps: SOLVER.STEPS.slice(1).map((step) => round(step * stepScale)),
          gamma: SOLVER.GAMMA,
        },
      },
    },
    checkpointEvery: Math.max(1, Math.floor(TRAIN.SNAPSHOT_ITERS / iterSize)),
    test: {
      scales: TEST.BBOX_AUG.ENABLED ? [TEST.SCALE, ...TEST.BBOX_AUG.SCALES] : [TEST.SCALE],
      unit: 'pixels',
      flip: TEST.BBOX_AUG.ENABLED && TEST.BBOX_AUG.H_FLIP,
      nmsThreshold: TEST.NMS,
      detectionsPerImage: TEST.DETECTIONS_PER_IM,
    },
  };
}

function bodyOf(name: string, path: string): (config: OriginalConfig) => Body {
  if (Object.hasOwn(BODIES, name)) return BODIES[name];
  const known = Object.keys(BODIES);
  throw new ConfigError(
    `${path}: "MODEL.CONV_BODY" is ${JSON.stringify(name)}, which is not known.`,
    `Did you mean ${closest(name, known)}? Known are ${known.join(', ')}.`,
  );
}
