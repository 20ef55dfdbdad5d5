/**
 * Every kernel that the package exports, once for each set of constants, at odd sizes: what all compilers must accept.
 * A kernel or list of candidates missing here is a type error.
 */

import type { Candidate, ConvShape, Kernel, MaskFuseShape, Plan, RoIAlignShape, Target } from '@cim/kernels';
import * as kernels from '@cim/kernels';

type Exports = typeof kernels;
// biome-ignore lint/suspicious/noExplicitAny: matches kernels of whatever bindings and parameters
type Describes = (...parameters: any[]) => Kernel<any> | Iterable<Candidate<any>>;
type KernelFunction = Exclude<
  { [Name in keyof Exports]: Exports[Name] extends Describes ? Name : never }[keyof Exports],
  'defineKernel'
>;

const both = [false, true];
/** Every combination of the flags: [[false, false], [false, true], …]. */
const flags = (count: number): boolean[][] =>
  Array.from({ length: 2 ** count }, (_, bits) => Array.from({ length: count }, (_, i) => ((bits >> i) & 1) === 1));

/** 0 is without subgroups; 4 SwiftShader, 8 lavapipe, 32 most GPUs. */
const TARGETS: readonly Target[] = [
  ...[0, 4, 8].map((subgroupSize) => ({ ...kernels.PORTABLE, subgroupSize })),
  {
    ...kernels.PORTABLE,
    subgroupSize: 32,
    f16: true,
    subgroupMatrices: kernels.SUBGROUP_MATRICES,
    workgroupBytes: 32768,
  },
];

const plans = <Options>(candidates: Iterable<Candidate<Options>>, options: Options): Plan[] =>
  [...candidates].map(({ plan }) => plan(options));

const n = 77;
const conv: ConvShape = { n: 2, ci: 5, h: 11, w: 13, co: 7, kh: 3, kw: 3, stride: 2, padding: 1, dilation: 1 };
const tile = { rows: 2, columns: 4, channels: 8 };
/** Large enough, and of all the kinds, that every variant appears. */
const convs: ConvShape[] = [
  conv,
  { ...conv, n: 1, ci: 64, co: 64, h: 48, w: 64, stride: 1 },
  { ...conv, n: 1, ci: 64, co: 64, h: 48, w: 64, stride: 1, kh: 1, kw: 1, padding: 0 },
  { ...conv, n: 1, ci: 3, co: 64, h: 96, w: 128 },
  { ...conv, n: 1, ci: 3, co: 64, h: 96, w: 128, kh: 7, kw: 7, padding: 3 },
  { ...conv, n: 9, ci: 32, co: 16, h: 7, w: 7, stride: 1 },
  { ...conv, n: 1, ci: 64, co: 64, h: 24, w: 32, stride: 1, dilation: 2, padding: 2 },
];
const gemm = { m: 33, n: 17, k: 65 };
const norm = { batch: 2, channels: 5, plane: 77 };
const pool = { planes: 6, height: 11, width: 13, outHeight: 5, outWidth: 6 };
const window = { kernel: 3, stride: 2, padding: 1 };
const roi: RoIAlignShape = {
  rois: 3,
  batch: 2,
  channels: 5,
  height: 11,
  width: 13,
  outputSize: 7,
  spatialScale: 1 / 8,
  samplingRatio: 0,
};
const fuse: MaskFuseShape = { rois: 3, channels: 5, bins: 49 };
const maps = { maps: 3, height: 11, width: 13, window: 3 };
const image = { width: 31, height: 23 };
const slic = { ...image, columns: 5, rows: 4 };
const branches = { firstRow: 3, rows: n, columns: 21, branches: 3, stride: 21 * n };
const bag = { n, columns: 21 };
const mining = { n, classes: 20, clsColumns: 21, detColumns: 20 };
const claim = { seeds: 5, nmsThreshold: 0.4 };
const planes = { planes: 3, height: 5, width: 7 };
const larger = { outHeight: 11, outWidth: 13 };
const colours = { mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2] } as const;
const update = { n, lr: 0.1, weightDecay: 1e-4 };
const clsIou = { n, columns: 21, iouColumns: 21, bagUsesIou: true, lambda: 3 };

const KERNELS: Record<KernelFunction, readonly (Kernel<never> | Plan)[]> = {
  // elementwise
  fill: [kernels.fill({ n, value: 1 })],
  axpy: [kernels.axpy({ n, a: 2 })],
  add: both.map((relu) => kernels.add({ n, relu })),
  multiply: [kernels.multiply({ n })],
  multiplyBackward: [kernels.multiplyBackward({ n, accumulate: true })],
  activation: (['relu', 'sigmoid'] as const).map((kind) => kernels.activation({ n, kind })),
  activationBackward: (['relu', 'sigmoid'] as const).map((kind) =>
    kernels.activationBackward({ n, kind, accumulate: true }),
  ),
  smoothL1: [kernels.smoothL1({ n })],
  smoothL1Backward: [kernels.smoothL1Backward({ n, sign: -1, accumulate: true })],
  // channels
  takeChannels: [kernels.takeChannels({ outer: 3, channels: 7, inner: 5, first: 2, count: 4 })],
  placeChannels: [
    kernels.placeChannels({ outer: 3, channels: 7, inner: 5, first: 2, count: 4, bias: true, relu: true }),
  ],
  // conv
  convForwardDirect: [kernels.convForwardDirect(conv, { bias: true, relu: true })],
  convInputGradientDirect: [kernels.convInputGradientDirect(conv, true)],
  convWeightGradientDirect: [kernels.convWeightGradientDirect(conv, { rows: 2, accumulate: true })],
  convForwardCandidates: TARGETS.flatMap((target) =>
    convs.flatMap((shape) =>
      plans(kernels.convForwardCandidates(shape, target), { bias: true, residual: true, relu: true }),
    ),
  ),
  convInputGradientCandidates: TARGETS.flatMap((target) =>
    convs.flatMap((shape) => plans(kernels.convInputGradientCandidates(shape, target), true)),
  ),
  convWeightGradientCandidates: TARGETS.flatMap((target) =>
    convs.flatMap((shape) => plans(kernels.convWeightGradientCandidates(shape, target), true)),
  ),
  convForwardTile: [kernels.convForwardTile(conv, tile, { bias: true, relu: true })],
  convInputGradientTile: [kernels.convInputGradientTile(conv, tile, true)],
  convForwardLanes: [kernels.convForwardLanes(conv, { ...tile, subgroup: 8 }, { bias: true, relu: true })],
  convInputGradientLanes: [kernels.convInputGradientLanes(conv, { ...tile, subgroup: 8 }, true)],
  convWeightGradientTile: both.map((subgroup) =>
    kernels.convWeightGradientTile(
      conv,
      { inputs: 1, outputs: 2, columns: 8, workgroup: 8, subgroup },
      kernels.splitStrips(conv, 8, 3),
      true,
    ),
  ),
  // gemm
  gemmLanes: [kernels.gemmLanes(gemm, { rows: 8, columns: 4, subgroup: 8 }, { bias: true })],
  sumPartials: [kernels.sumPartials({ n, parts: 3 })],
  channelSum: [kernels.channelSum({ outer: 2, channels: 5, inner: 77, accumulate: true })],
  reluChannelSum: [kernels.reluChannelSum({ outer: 2, channels: 5, inner: 77, accumulate: true })],
  gemmCandidates: TARGETS.flatMap((target) =>
    flags(2).flatMap(([transposeA, transposeB]) =>
      plans(kernels.gemmCandidates({ ...gemm, transposeA, transposeB }, target), {}),
    ),
  ),
  // mask
  packMasks: [kernels.packMasks({ n: 3, pixels: n })],
  pairwiseOverlap: [kernels.pairwiseOverlap({ n: 5, words: 3 })],
  overlapCandidates: TARGETS.flatMap((target) =>
    plans(kernels.overlapCandidates({ n: 5, width: 45, height: 7 }, target), undefined),
  ),
  pairwiseIntersection: [kernels.pairwiseIntersection({ a: 5, b: 3, words: 3 })],
  // normalise
  batchNormStatistics: [kernels.batchNormStatistics({ ...norm, momentum: 0.1 })],
  foldBatchNorm: [kernels.foldBatchNorm({ channels: 3, size: 70, eps: 1e-5, bias: true })],
  foldBatchNormBackward: [undefined, true].map((bias) =>
    kernels.foldBatchNormBackward({
      channels: 3,
      size: 70,
      accumulate: { weight: true, gamma: true, beta: true, bias },
    }),
  ),
  batchNorm: flags(2).map(([residual, relu]) => kernels.batchNorm({ ...norm, eps: 1e-5, residual, relu })),
  batchNormReduce: flags(2).map(([relu, training]) =>
    kernels.batchNormReduce({ ...norm, eps: 1e-5, relu, training, accumulateWeight: true, accumulateBias: true }),
  ),
  batchNormBackward: flags(3).map(([relu, training, residual]) =>
    kernels.batchNormBackward({
      ...norm,
      eps: 1e-5,
      relu,
      training,
      accumulate: true,
      residual: residual ? { accumulate: true } : undefined,
    }),
  ),
  // random
  dropout: [kernels.dropout({ n, rate: 0.5, seed: 1, accumulate: true })],
  // reduce
  sum: both.map((square) => kernels.sum({ n, square })),
  minimum: [kernels.minimum({ n })],
  countNonFinite: [kernels.countNonFinite({ n, partials: 3, offset: 0 })],
  // softmax
  softmax: ([0, 1] as const).map((dim) => kernels.softmax({ rows: 7, columns: 11, dim })),
  softmaxBackward: ([0, 1] as const).map((dim) =>
    kernels.softmaxBackward({ rows: 7, columns: 11, dim, accumulate: true }),
  ),
  // heads
  branchScores: [kernels.branchScores(branches)],
  branchScoresBackward: [kernels.branchScoresBackward(branches)],
  // loss
  clsIouLoss: [kernels.clsIouLoss(clsIou)],
  clsIouLossBackward: [
    kernels.clsIouLossBackward({
      ...clsIou,
      weights: { cls: 1, iou: 1, bag: 1 },
      accumulateCls: true,
      accumulateIou: true,
    }),
  ],
  crossEntropyLoss: [kernels.crossEntropyLoss({ rows: 3, columns: n })],
  crossEntropyLossBackward: [kernels.crossEntropyLossBackward({ rows: 3, columns: n, weight: 1, accumulate: true })],
  logSumExpPool: [kernels.logSumExpPool({ planes: 3, area: n, sharpness: 4 })],
  logSumExpPoolBackward: [kernels.logSumExpPoolBackward({ planes: 3, area: n, sharpness: 4, accumulate: true })],
  lossWeightBagLoss: [kernels.lossWeightBagLoss(bag)],
  lossWeightBagLossBackward: [kernels.lossWeightBagLossBackward({ ...bag, weight: 1, accumulate: true })],
  milBagLoss: [kernels.milBagLoss({ ...bag, classes: 20 })],
  milBagLossBackward: [kernels.milBagLossBackward({ ...bag, weight: 1, accumulateCls: true, accumulateDet: true })],
  multiLabelSoftMarginLoss: [kernels.multiLabelSoftMarginLoss({ n })],
  multiLabelSoftMarginLossBackward: [kernels.multiLabelSoftMarginLossBackward({ n, weight: 1, accumulate: true })],
  pclLoss: [kernels.pclLoss(bag)],
  pclLossBackward: [kernels.pclLossBackward({ ...bag, weight: 1, accumulate: true })],
  proposalClusterLoss: both.map((pooled) => kernels.proposalClusterLoss({ ...bag, lambda: 3, pooled })),
  proposalClusterLossBackward: [kernels.proposalClusterLossBackward({ ...bag, weight: 1, accumulate: true })],
  // roi
  roiWeights: [kernels.roiWeights(roi)],
  roiAlign: both.map((mask) => kernels.roiAlign({ ...roi, mask })),
  roiRanges: [kernels.roiRanges(roi)],
  roiAlignBackward: [kernels.roiAlignBackward({ ...roi, accumulate: true })],
  maskFuse: [kernels.maskFuse(fuse)],
  maskFuseBackward: [kernels.maskFuseBackward({ ...fuse, accumulate: true })],
  // peak
  peakStimulation: (['median', 'mean', 'max', 0.5, null] as const).map((filter) =>
    kernels.peakStimulation({ ...maps, filter }),
  ),
  peakStimulationBackward: [kernels.peakStimulationBackward({ maps: 3, pixels: n, accumulate: true })],
  shiftByMinimum: [kernels.shiftByMinimum({ n })],
  excite: [kernels.excite({ n })],
  // pool
  maxPool2d: [kernels.maxPool2d({ ...pool, ...window })],
  maxPool2dBackward: [kernels.maxPool2dBackward({ ...pool, ...window, accumulate: true })],
  adaptiveAvgPool2d: [kernels.adaptiveAvgPool2d(pool)],
  adaptiveAvgPool2dBackward: [kernels.adaptiveAvgPool2dBackward({ ...pool, accumulate: true })],
  meanFilter: [kernels.meanFilter({ ...pool, radius: 1 })],
  meanFilterBackward: [kernels.meanFilterBackward({ ...pool, radius: 1, accumulate: true })],
  // proposal
  proposalLab: [kernels.proposalLab(image)],
  proposalBlur: (['x', 'y'] as const).map((axis) => kernels.proposalBlur({ ...image, axis })),
  proposalEdges: [kernels.proposalEdges(image)],
  slicIteration: both.map((initial) => kernels.slicIteration({ ...slic, compactness: 10, initial })),
  // mining
  usableProposals: [kernels.usableProposals({ n, threshold: 0.5 })],
  bigProposalsToBackground: [kernels.bigProposalsToBackground({ n })],
  clusterLabels: [kernels.clusterLabels({ n, columns: 21 })],
  selectTopProposals: [kernels.selectTopProposals(mining)],
  selectClusterCentres: [kernels.selectClusterCentres({ ...mining, graphThreshold: 0.4, centresPerClass: 5 })],
  assignClusters: [kernels.assignClusters({ n, foregroundThreshold: 0.5, ignoreThreshold: 0.1 })],
  claimContainers: [kernels.claimContainers({ ...mining, ...claim, containmentThreshold: 0.85 })],
  claimSeeds: [kernels.claimSeeds({ ...mining, ...claim })],
  selectPseudoTruths: (['none', 'philox', 'draws', 'uniforms'] as const).map((sampling) =>
    kernels.selectPseudoTruths({ ...mining, sampling }),
  ),
  assignPseudoLabels: [kernels.assignPseudoLabels({ n, clsThreshold: 0.25, iouThreshold: 0.5 })],
  // resize
  upsampleNearest: flags(2).map(([add, relu]) => kernels.upsampleNearest({ ...planes, scale: 2, add, relu })),
  upsampleNearestBackward: both.map((relu) =>
    kernels.upsampleNearestBackward({ ...planes, scale: 2, relu, accumulate: true }),
  ),
  upsampleBilinear: [kernels.upsampleBilinear({ ...planes, ...larger, alignCorners: true })],
  upsampleBilinearBackward: [
    kernels.upsampleBilinearBackward({ ...planes, ...larger, alignCorners: true, accumulate: true }),
  ],
  padBottomRight: [kernels.padBottomRight({ ...planes, ...larger })],
  padBottomRightBackward: [kernels.padBottomRightBackward({ ...planes, ...larger, accumulate: true })],
  // image
  prepareImage: both.map((caffe) => kernels.prepareImage({ ...image, ...colours, flip: true, targetSize: 40, caffe })),
  augmentImage: [
    kernels.augmentImage({
      ...image,
      ...colours,
      flip: true,
      scale: 1.1,
      shiftX: 2,
      shiftY: 3,
      brightness: 1.1,
      offset: 0.01,
      channels: [1, 1, 1],
    }),
  ],
  // optimiser
  sgd: both.map((nesterov) => kernels.sgd({ ...update, momentum: 0.9, nesterov })),
  adamW: [kernels.adamW({ ...update, betas: [0.9, 0.999], epsilon: 1e-8, step: 1 })],
  clipFactor: [kernels.clipFactor({ partials: 5, maxNorm: 1 })],
};

/** All of them, each text once. */
export function everyKernel(): Kernel[] {
  const unique = new Map<string, Kernel>();
  for (const described of Object.values(KERNELS).flat()) {
    const list = 'steps' in described ? described.steps.map((step) => step.kernel) : [described as Kernel];
    for (const kernel of list) unique.set(kernel.key, kernel);
  }
  return [...unique.values()];
}

/** Written for the portable limits: no optional feature, no more than every adapter has. */
export const isBase = ({ requires: { features = [], invocations = 0, workgroupBytes = 0 } }: Kernel): boolean =>
  features.length === 0 && invocations <= 256 && workgroupBytes <= 16384;
