import type { Tensor } from '@cim/runtime';
import { ConvBatchNorm, numbered, type Pass } from '../nn/layers.ts';
import type { Scope } from '../nn/parameters.ts';
import type { Backbone } from './backbone.ts';
import { BasicBlock, Layer } from './blocks.ts';

/** Sizes of a {@link ResidualNet}. */
export interface ResidualConfig {
  /** Tells the backbones of a recipe apart. */
  readonly type: 'residual';
  /** Channels of the first convolution. */
  readonly stemChannels: number;
  /** One stage each: width, number of basic blocks, stride of the first. */
  readonly stages: readonly { readonly channels: number; readonly blocks: number; readonly stride: number }[];
}

/** A small residual net that learns from scratch: conv3×3/2 – BN – ReLU, then stages of basic blocks. */
export class ResidualNet implements Backbone {
  readonly channels: number;
  readonly stride: number;
  readonly #stem: ConvBatchNorm;
  readonly #stages: Layer[];

  /** Adds the parameters to the scope; all of them train. */
  constructor(scope: Scope, config: ResidualConfig) {
    let channels = config.stemChannels;
    this.#stem = new ConvBatchNorm(numbered(scope, 1), 3, channels, { kernel: 3, stride: 2, padding: 1 });
    this.#stages = config.stages.map((stage, i) => {
      const layer = new Layer(scope.child(`layer${i + 1}`), BasicBlock, channels, stage.channels, stage.blocks, {
        stride: stage.stride,
      });
      channels = stage.channels;
      return layer;
    });
    this.channels = channels;
    this.stride = config.stages.reduce((product, stage) => product * stage.stride, 2);
  }

  forward(pass: Pass, image: Tensor): Tensor {
    const stem = this.#stem.forward(pass, image, { relu: true });
    return this.#stages.reduce((features, stage) => stage.forward(pass, features), stem);
  }
}
