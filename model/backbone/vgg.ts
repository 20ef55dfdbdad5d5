import { functional as F, type Tensor } from '@cim/runtime';
import { Conv2d, type Pass, part } from '../nn/layers.ts';
import type { Scope } from '../nn/parameters.ts';
import type { Backbone } from './backbone.ts';

/** Sizes of a {@link Vgg}. */
export interface VggConfig {
  /** Tells the backbones of a recipe apart. */
  readonly type: 'vgg';
  /** Channels of conv1 … conv5. */
  readonly channels: readonly number[];
  /** Without the poolings after conv4 and conv5, and with conv5 dilated by 2: stride 8 instead of 32. */
  readonly dilated: boolean;
  /** Blocks without gradient, from conv1 on (VGG.FREEZE_AT); 0 freezes none. */
  readonly freezeAt: number;
}

/** VGG-16: dilated as CIM uses it (lib/modeling/vgg16.py), or torchvision's own. */
export const vgg16 = ({ dilated = true, freezeAt = 2 }: { dilated?: boolean; freezeAt?: number } = {}): VggConfig => ({
  type: 'vgg',
  channels: [64, 128, 256, 512, 512],
  dilated,
  freezeAt,
});

/** Convolutions of each block. */
const BLOCKS = [2, 2, 3, 3, 3];

/** The convolutions of VGG-16 (Simonyan & Zisserman, ICLR 2015), named conv1.0, conv1.2, … conv5.4. */
export class Vgg implements Backbone {
  readonly channels: number;
  readonly stride: number;
  readonly #blocks: { readonly convs: Conv2d[]; readonly pooled: boolean }[];

  /** Adds the parameters to the scope, those of frozen blocks without gradient. */
  constructor(scope: Scope, { channels, dilated, freezeAt }: VggConfig) {
    let from = 3;
    this.#blocks = channels.map((to, i) => {
      const block = scope.frozen(i + 1 <= freezeAt).child(`conv${i + 1}`);
      const dilation = dilated && i === 4 ? 2 : 1;
      const convs = Array.from({ length: BLOCKS[i] }, (_, c) => {
        const options = { kernel: 3, padding: dilation, dilation, bias: true };
        const conv = new Conv2d(block.child(2 * c), from, to, options); // odd numbers are the ReLUs
        from = to;
        return conv;
      });
      return { convs, pooled: !dilated || i < 3 };
    });
    this.channels = from;
    this.stride = 2 ** this.#blocks.filter(({ pooled }) => pooled).length;
  }

  /** @param observe is shown the output of every block: conv1, conv2, … @returns [B, channels, ⌊H/stride⌋, ⌊W/stride⌋]. */
  forward(pass: Pass, image: Tensor, observe?: (name: string, features: Tensor) => void): Tensor {
    let x = image;
    this.#blocks.forEach(({ convs, pooled }, i) => {
      x = part(pass, [x], (own, [input]) => {
        const features = convs.reduce((y, conv) => conv.forward(own, y, { relu: true }), input);
        return pooled ? F.maxPool2d(own.tape, features, { kernel: 2, stride: 2 }) : features;
      });
      observe?.(`conv${i + 1}`, x);
    });
    return x;
  }
}
