import { functional as F, type Tensor } from '@cim/runtime';
import { Conv2d, type Initialisation, Linear, type Pass } from '../nn/layers.ts';
import type { Scope } from '../nn/parameters.ts';

/** Cells per side of a region's grid. */
export const REGION_SIZE = 7;

/** Sizes of {@link MaskFuse}. */
export interface MaskFuseConfig {
  /** Channels after the 3×3 convolution; the original keeps the backbone's. */
  readonly channels: number;
  /** Width of the two fully connected layers; 4096 in the original. */
  readonly hidden: number;
  /** Whether the features inside the mask stand beside those of the box; without, the box decides alone. */
  readonly fuseMasks: boolean;
  /** Of all three layers; PyTorch's unless given. */
  readonly initialisation?: Initialisation;
}

/**
 * Features of every proposal from its box and its mask (MaskFuse, lib/modeling/HRNet.py): RoIAlign 7×7 →
 * concat(box, box·mask), or the box alone → conv3×3 + ReLU → two fully connected layers + ReLU.
 */
export class MaskFuse {
  /** D, the width of the features. */
  readonly hidden: number;
  readonly #spatialScale: number;
  readonly #fuseMasks: boolean;
  readonly #maskBranch: Conv2d;
  readonly #fc: [Linear, Linear];

  /** @param channels of the backbone's feature map, `stride` its pixels per cell. */
  constructor(scope: Scope, channels: number, stride: number, config: MaskFuseConfig) {
    const { initialisation } = config;
    this.hidden = config.hidden;
    this.#spatialScale = 1 / stride;
    const convolution = { kernel: 3, padding: 1, bias: true, initialisation };
    this.#fuseMasks = config.fuseMasks;
    const inputs = this.#fuseMasks ? 2 * channels : channels;
    this.#maskBranch = new Conv2d(scope.child('mask_branch').child(0), inputs, config.channels, convolution);
    this.#fc = [
      new Linear(scope.child('seg_fc').child(0), config.channels * REGION_SIZE ** 2, config.hidden, initialisation),
      new Linear(scope.child('seg_fc').child(2), config.hidden, config.hidden, initialisation),
    ];
  }

  /**
   * @param features [B, C, H, W]
   * @param rois [N, 5]: batch index, x1, y1, x2, y2 in image pixels
   * @param masks [N, 7, 7]: coverage of each cell, 0 to 1
   * @returns [N, hidden]
   */
  forward(pass: Pass, features: Tensor, rois: Tensor, masks: Tensor): Tensor {
    const { tape } = pass;
    const align = { outputSize: REGION_SIZE, spatialScale: this.#spatialScale };
    const fused = this.#fuseMasks
      ? F.roiAlignMaskFuse(tape, features, rois, masks, align)
      : F.roiAlign(tape, features, rois, align);
    const grid = this.#maskBranch.forward(pass, fused, { relu: true });
    const flat = tape.reshape(grid, [rois.shape[0], -1]);
    return this.#fc[1].forward(pass, this.#fc[0].forward(pass, flat, { relu: true }), { relu: true });
  }
}
