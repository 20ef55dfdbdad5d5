import { type BackboneConfig, hrnet, resnet50, vgg16 } from '../backbone/index.ts';
import { prmClassifier } from '../prm/recipe.ts';
import type { SolverConfig } from '../solver/solver.ts';
import type { Recipe } from './recipe.ts';

/** What the original's configurations differ in (configs/*.yaml). */
interface Variant {
  readonly name: string;
  readonly description: string;
  readonly backbone: BackboneConfig;
  readonly backboneWeights: string;
  /** Channels of the backbone's features, which MaskFuse keeps. */
  readonly channels: number;
  /** Published weights of the fully convolutional ResNet-50 whose peaks label the proposals. */
  readonly classifierWeights: string;
  readonly labels: 'peaks' | 'points';
  /** Steps of four images, and the one at which the learning rate falls. */
  readonly steps: number;
  readonly decayAt: number;
}

/** Longer sides of training and test images, pixels (TRAIN.SCALES; TEST.SCALE and BBOX_AUG.SCALES). */
const SIZES = [480, 576, 688, 864, 1200];

/** The settings that all of the original's trainings share. */
const solverOf = ({ decayAt }: Variant): SolverConfig => ({
  type: 'sgd',
  momentum: 0.9,
  scaleMomentum: true,
  weightDecay: 5e-4,
  biasLrFactor: 2,
  lrFactors: [],
  biasDecay: false,
  clipNorm: null,
  schedule: {
    baseLr: 2.5e-4,
    warmupSteps: 500,
    warmupFactor: 1 / 3,
    decay: { type: 'step', decaySteps: [decayAt], gamma: 0.1 },
  },
});

/** A configuration of the original as a complete recipe: real data sets, published weights, COB proposals. */
const original = (variant: Variant): Recipe => ({
  name: variant.name,
  description: variant.description,
  workingSize: 4096,
  seed: 3,
  backbone: variant.backbone,
  backboneWeights: variant.backboneWeights,
  classifier: prmClassifier({ weights: variant.classifierWeights, steps: 0 }),
  proposals: { type: 'cob' },
  labels: { source: variant.labels, peakThreshold: 10, averageThreshold: 0.7, iouThreshold: 0.5 },
  cim: {
    region: { channels: variant.channels, hidden: 4096, fuseMasks: true },
    branches: 3,
    strategy: 'cim',
    seedFraction: 0.1,
    thresholdStep: 0.1,
    containmentThreshold: 0.85,
    antiNoiseBranch: true,
    antiNoiseSampling: true,
    clusterLoss: true,
    maskIouHead: true,
    bigProposalsAreBackground: false,
  },
  training: {
    steps: variant.steps,
    imagesPerStep: 4,
    imagesPerPass: 1,
    recompute: false,
    view: { type: 'resize', sizes: SIZES },
  },
  solver: solverOf(variant),
  checkpointEvery: 2500,
  test: { scales: SIZES, unit: 'pixels', flip: true, nmsThreshold: 0.3, detectionsPerImage: 100 },
  pseudoLabelThreshold: 0.3,
});

const voc = { classifierWeights: 'model_weight/prm_voc.pth', labels: 'peaks' } as const;
const coco = { classifierWeights: 'model_weight/prm_coco.pth', labels: 'peaks' } as const;

const hrnet48 = {
  backbone: hrnet('w48'),
  backboneWeights: 'model_weight/hrnetv2_w48_imagenet_pretrained.pth',
  channels: 2048,
};
const resnet = { backbone: resnet50(), backboneWeights: 'model_weight/resnet50-0676ba61.pth', channels: 1024 };
const vgg = { backbone: vgg16(), backboneWeights: 'model_weight/vgg16_caffe.pth', channels: 512 };

/** The paper's experiments, as the original's configuration files set them after its rescaling to four images a step. */
export const fullSizePresets = {
  hrnet48_voc: original({
    ...hrnet48,
    ...voc,
    name: 'hrnet48_voc',
    description: 'HRNet-W48 on PASCAL VOC 2012',
    steps: 45_000,
    decayAt: 30_000,
  }),
  hrnet48_coco: original({
    ...hrnet48,
    ...coco,
    name: 'hrnet48_coco',
    description: 'HRNet-W48 on COCO 2017',
    steps: 240_000,
    decayAt: 200_000,
  }),
  resnet50_voc: original({
    ...resnet,
    ...voc,
    name: 'resnet50_voc',
    description: 'ResNet-50 on PASCAL VOC 2012',
    steps: 45_000,
    decayAt: 30_000,
  }),
  resnet50_voc_point: original({
    ...resnet,
    ...voc,
    labels: 'points',
    name: 'resnet50_voc_point',
    description: 'ResNet-50 on PASCAL VOC 2012 with a point for every instance (CIM-p)',
    steps: 45_000,
    decayAt: 30_000,
  }),
  resnet50_coco: original({
    ...resnet,
    ...coco,
    name: 'resnet50_coco',
    description: 'ResNet-50 on COCO 2017',
    steps: 240_000,
    decayAt: 200_000,
  }),
  vgg16_voc: original({
    ...vgg,
    ...voc,
    name: 'vgg16_voc',
    description: 'VGG-16 on PASCAL VOC 2012',
    steps: 30_000,
    decayAt: 20_000,
  }),
  vgg16_coco: original({
    ...vgg,
    ...coco,
    name: 'vgg16_coco',
    description: 'VGG-16 on COCO 2017',
    steps: 120_000,
    decayAt: 100_000,
  }),
} as const satisfies Record<string, Recipe>;
