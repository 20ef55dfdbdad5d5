import type { Tensor } from '@cim/runtime';
import { BatchNorm2d, Conv2d, type Pass } from '../nn/layers.ts';
import type { Scope } from '../nn/parameters.ts';
import type { Backbone } from './backbone.ts';
import { BasicBlock, Layer } from './blocks.ts';

export interface ResidualConfig {
  readonly type: 'residual';
  readonly stemChannels: number;
  /** One stage each: width, number of basic blocks, stride of the first. */
  readonly stages: readonly { readonly channels: number; readonly blocks: number; readonly stride: number }[];
}

/** A small residual net that learns from scratch: conv3×3/2 – BN – ReLU, then stages of basic blocks. */
export class ResidualNet implements Backbone {
  readonly channels: number;
  readonly stride: number;
  readonly #conv1: Conv2d;
  readonly #bn1: BatchNorm2d;
  readonly #stages: Layer[];

  constructor(scope: Scope, config: ResidualConfig) {
    let channels = config.stemChannels;
    this.#conv1 = new Conv2d(scope.child('conv1'), 3, channels, { kernel: 3, stride: 2, padding: 1 });
    this.#bn1 = new BatchNorm2d(scope.child('bn1'), channels);
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
    const stem = this.#bn1.forward(pass, this.#conv1.forward(pass, image), { relu: true });
    return this.#stages.reduce((features, stage) => stage.forward(pass, features), stem);
  }
}
