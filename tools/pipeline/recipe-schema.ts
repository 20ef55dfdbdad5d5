/** Which values a recipe may hold. */
import type { Recipe } from '@cim/model/recipe/recipe';
import type { SolverConfig } from '@cim/model/solver/solver';
import { z } from 'zod';
import { backboneSchema } from './backbone-schema.ts';

const count = z.int().min(1);
const share = z.number().min(0).max(1);
const positive = z.number().positive();
/** Below 1: a decay rate. */
const rate = z.number().min(0).lt(1);

/** The name of a file of weights. */
const file = z.string().min(1).nullable();

const jitter = z.strictObject({ brightness: share, offset: share, channel: share });

const schedule = z.strictObject({
  baseLr: positive,
  warmupSteps: z.int().min(0),
  warmupFactor: share,
  decay: z.discriminatedUnion('type', [
    z.strictObject({ type: z.literal('step'), decaySteps: z.array(count), gamma: share }),
    z.strictObject({ type: z.literal('cosine'), steps: count }),
  ]),
});
const common = {
  weightDecay: z.number().min(0),
  biasDecay: z.boolean(),
  biasLrFactor: positive,
  lrFactors: z.array(z.strictObject({ prefix: z.string().min(1), factor: positive })),
  clipNorm: positive.nullable(),
  schedule,
};
const solver: z.ZodType<SolverConfig> = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('sgd'), momentum: rate, scaleMomentum: z.boolean(), ...common }),
  z.strictObject({ type: z.literal('adamw'), betas: z.tuple([rate, rate]), ...common }),
]);

const cim = z
  .strictObject({
    region: z.strictObject({ channels: count, hidden: count, fuseMasks: z.boolean() }),
    branches: count,
    strategy: z.literal(['cim', 'mist', 'oicr', 'pcl', 'wsddn']),
    seedFraction: share,
    thresholdStep: share,
    containmentThreshold: share,
    antiNoiseBranch: z.boolean(),
    antiNoiseSampling: z.boolean(),
    clusterLoss: z.boolean(),
    maskIouHead: z.boolean(),
    bigProposalsAreBackground: z.boolean(),
  })
  .refine(({ strategy, antiNoiseBranch }) => antiNoiseBranch || strategy !== 'wsddn', {
    path: ['antiNoiseBranch'],
    message: 'WSDDN is nothing but this branch',
  });

export const recipeSchema: z.ZodType<Recipe> = z.strictObject({
  name: z.string().min(1),
  description: z.string(),
  workingSize: z.int().min(16).max(4096),
  seed: z.int().min(0).max(0xffffffff),
  backbone: backboneSchema,
  backboneWeights: file,
  classifier: z.strictObject({
    backbone: backboneSchema.nullable(),
    canvas: z.strictObject({ width: count.max(4096), height: count.max(4096) }).nullable(),
    weights: file,
    pooling: z.discriminatedUnion('type', [
      z.strictObject({
        type: z.literal('log-sum-exp'),
        sharpness: positive,
        peakWindow: z
          .int()
          .min(1)
          .refine((cells) => cells % 2 === 1, 'a window has a middle: its side is odd')
          .optional(),
      }),
      z.strictObject({ type: z.literal('peak-stimulation'), upsampling: count }),
    ]),
    training: z.strictObject({
      steps: z.int().min(0),
      batch: count,
      imagesPerPass: count,
      statistics: z.literal(['batch', 'running']),
      jitter,
      geometry: z.strictObject({ scale: rate, shift: rate }),
    }),
    solver,
  }),
  proposals: z.discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('superpixels'),
      superpixels: count.max(16384),
      limit: count,
      nms: share,
      minAreaFraction: rate,
    }),
    z.strictObject({ type: z.literal('cob') }),
  ]),
  labels: z.strictObject({
    source: z.literal(['peaks', 'points']),
    peakThreshold: z.number(),
    averageThreshold: share,
    iouThreshold: share,
  }),
  cim,
  training: z.strictObject({
    steps: count,
    imagesPerStep: count,
    imagesPerPass: count,
    recompute: z.boolean().default(false),
    view: z.discriminatedUnion('type', [
      jitter.extend({ type: z.literal('jitter') }),
      z.strictObject({ type: z.literal('resize'), sizes: z.array(z.int().min(16).max(4096)).min(1) }),
    ]),
  }),
  solver,
  checkpointEvery: count,
  test: z.strictObject({
    scales: z.array(positive.max(4096)).min(1),
    unit: z.literal(['image', 'pixels']),
    flip: z.boolean(),
    nmsThreshold: share,
    detectionsPerImage: count,
  }),
  pseudoLabelThreshold: share,
});
