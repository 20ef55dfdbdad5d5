import type { Tensor } from '@cim/runtime';
import type { Pass } from '../nn/layers.ts';

/** Turns an image into one feature map. */
export interface Backbone {
  /** Channels of the feature map. */
  readonly channels: number;
  /** Image pixels per feature cell. */
  readonly stride: number;
  /**
   * @param image [B, 3, H, W], normalised.
   * @param observe is shown the outputs of stages, under their names in the original.
   * @returns [B, channels, ⌈H/stride⌉, ⌈W/stride⌉].
   */
  forward(pass: Pass, image: Tensor, observe?: (name: string, features: Tensor) => void): Tensor;
}
