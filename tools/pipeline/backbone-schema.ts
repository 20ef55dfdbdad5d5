/** Which values the backbone of a recipe may have. */
import type { BackboneConfig } from '@cim/model/backbone/index';
import { z } from 'zod';

const count = z.int().min(1);

export const backboneSchema: z.ZodType<BackboneConfig> = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('residual'),
    stemChannels: count,
    stages: z.array(z.strictObject({ channels: count, blocks: count, stride: z.literal([1, 2]) })).min(1),
  }),
  z.strictObject({
    type: z.literal('hrnet'),
    stemChannels: count,
    stage1: z.strictObject({ blocks: count, channels: count }),
    stages: z.array(z.strictObject({ modules: count, blocks: z.array(count), channels: z.array(count) })).min(1),
    head: z.discriminatedUnion('type', [
      z.strictObject({ type: z.literal('classification'), channels: z.array(count), finalChannels: count }),
      z.strictObject({ type: z.literal('high-resolution') }),
    ]),
    freezeAt: z.literal([0, 1, 2]),
  }),
  z.strictObject({
    type: z.literal('resnet'),
    stemChannels: count,
    planes: count,
    blocks: z.array(count).min(3).max(4),
    freezeAt: z.int().min(0).max(5),
  }),
  z.strictObject({
    type: z.literal('vgg'),
    channels: z.array(count).length(5),
    dilated: z.boolean(),
    freezeAt: z.int().min(0).max(5),
  }),
]);
