import { functional as F, type Tensor } from '@cim/runtime';
import { ConvBatchNorm, type Pass, part, sequential } from '../nn/layers.ts';
import type { Scope } from '../nn/parameters.ts';
import type { Backbone } from './backbone.ts';
import { Bottleneck, Layer } from './blocks.ts';

/** Sizes of a {@link ResNet}. */
export interface ResNetConfig {
  /** Tells the backbones of a recipe apart. */
  readonly type: 'resnet';
  /** Channels of the 7×7 convolution; 64 in ResNet-50. */
  readonly stemChannels: number;
  /** Bottleneck width of res2; it doubles with every stage, and four times it come out. */
  readonly planes: number;
  /** Bottlenecks of res2, res3, …: three stages end at stride 16, four at stride 32. */
  readonly blocks: readonly number[];
  /** Stages without gradient, from res1 on (ResNet.FREEZE_AT); 0 freezes none. */
  readonly freezeAt: number;
}

/**
 * torchvision's ResNet-50: up to res4 (1024 channels, stride 16) as CIM uses it (lib/modeling/resnet50.py), or with
 * res5 (2048 channels, stride 32) as the fully convolutional classifier of PRM does.
 */
export const resnet50 = ({ stages = 3, freezeAt = 2 }: { stages?: 3 | 4; freezeAt?: number } = {}): ResNetConfig => ({
  type: 'resnet',
  stemChannels: 64,
  planes: 64,
  blocks: [3, 4, 6, 3].slice(0, stages),
  freezeAt,
});

/** Residual network of bottlenecks (He et al., CVPR 2016; torchvision's, with the stride in the 3×3 convolution). */
export class ResNet implements Backbone {
  readonly channels: number;
  readonly stride: number;
  readonly #stem: ConvBatchNorm;
  readonly #stages: Layer[];

  /** Adds the parameters to the scope under the names of the original, those of frozen stages without gradient. */
  constructor(scope: Scope, { stemChannels, planes, blocks, freezeAt }: ResNetConfig) {
    const res1 = scope.frozen(freezeAt >= 1).child('res1');
    this.#stem = new ConvBatchNorm(sequential(res1), 3, stemChannels, { kernel: 7, stride: 2, padding: 3 });
    let channels = stemChannels;
    this.#stages = blocks.map((count, i) => {
      const stage = scope.frozen(i + 2 <= freezeAt).child(`res${i + 2}`);
      const layer = new Layer(stage, Bottleneck, channels, planes * 2 ** i, count, { stride: i === 0 ? 1 : 2 });
      channels = layer.channels;
      return layer;
    });
    this.channels = channels;
    this.stride = 2 ** (blocks.length + 1);
  }

  /** @param observe is shown the output of every stage: res1, res2, … */
  forward(pass: Pass, image: Tensor, observe?: (name: string, features: Tensor) => void): Tensor {
    let x = part(pass, [image], (own, [input]) =>
      F.maxPool2d(own.tape, this.#stem.forward(own, input, { relu: true }), { kernel: 3, stride: 2, padding: 1 }),
    );
    observe?.('res1', x);
    this.#stages.forEach((stage, i) => {
      x = stage.forward(pass, x);
      observe?.(`res${i + 2}`, x);
    });
    return x;
  }
}
