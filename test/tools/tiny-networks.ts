/** The published architectures with few channels. */
import type { BackboneConfig } from '@cim/model/backbone/index';
import { presets } from '@cim/model/recipe/presets';
import type { Recipe } from '@cim/model/recipe/recipe';

export const tinyBackbones = {
  resnet: { type: 'resnet', stemChannels: 4, planes: 2, blocks: [2, 1, 1], freezeAt: 2 },
  vgg: { type: 'vgg', channels: [2, 3, 4, 5, 6], dilated: true, freezeAt: 2 },
  hrnet: {
    type: 'hrnet',
    stemChannels: 4,
    stage1: { blocks: 1, channels: 2 },
    stages: [2, 3, 4].map((branches) => ({
      modules: 1,
      blocks: new Array<number>(branches).fill(1),
      channels: [2, 4, 6, 8].slice(0, branches),
    })),
    head: { type: 'classification', channels: [1, 2, 3, 4], finalChannels: 8 },
    freezeAt: 2,
  },
} as const satisfies Record<string, BackboneConfig>;

/** A recipe of the paper's kind, SGD with momentum, for a tiny network. */
export const tinyNetworkRecipe = (backbone: BackboneConfig): Recipe => ({
  ...presets.resnet50_voc,
  name: 'tiny',
  backbone,
  cim: { ...presets.resnet50_voc.cim, region: { channels: 4, hidden: 8, fuseMasks: true } },
});
