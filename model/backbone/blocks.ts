import type { Tensor } from '@cim/runtime';
import { BatchNorm2d, Conv2d, ConvBatchNorm, type Initialisation, type Pass } from '../nn/layers.ts';
import type { Scope } from '../nn/parameters.ts';

/** A residual block of HRNet and ResNet. */
export interface Block {
  forward(pass: Pass, x: Tensor): Tensor;
}
export interface BlockOptions {
  readonly stride?: number;
  readonly initialisation?: Initialisation;
}
export interface BlockType {
  new (scope: Scope, inChannels: number, channels: number, options?: BlockOptions): Block;
  /** Output channels are `channels · expansion`. */
  readonly expansion: number;
}

/** The 1×1 projection of the shortcut, where shapes differ. */
const projection = (
  scope: Scope,
  from: number,
  to: number,
  { stride = 1, initialisation }: BlockOptions,
): ConvBatchNorm | null =>
  stride !== 1 || from !== to
    ? new ConvBatchNorm(scope.child('downsample'), from, to, { kernel: 1, stride, initialisation })
    : null;

/** conv3×3 – BN – ReLU – conv3×3 – BN, plus the shortcut, ReLU. */
export class BasicBlock implements Block {
  static readonly expansion = 1;
  readonly #conv1: Conv2d;
  readonly #bn1: BatchNorm2d;
  readonly #conv2: Conv2d;
  readonly #bn2: BatchNorm2d;
  readonly #downsample: ConvBatchNorm | null;

  constructor(scope: Scope, inChannels: number, channels: number, options: BlockOptions = {}) {
    const { stride = 1, initialisation } = options;
    this.#conv1 = new Conv2d(scope.child('conv1'), inChannels, channels, {
      kernel: 3,
      stride,
      padding: 1,
      initialisation,
    });
    this.#bn1 = new BatchNorm2d(scope.child('bn1'), channels);
    this.#conv2 = new Conv2d(scope.child('conv2'), channels, channels, { kernel: 3, padding: 1, initialisation });
    this.#bn2 = new BatchNorm2d(scope.child('bn2'), channels);
    this.#downsample = projection(scope, inChannels, channels, options);
  }

  forward(pass: Pass, x: Tensor): Tensor {
    const hidden = this.#bn1.forward(pass, this.#conv1.forward(pass, x), { relu: true });
    const residual = this.#downsample?.forward(pass, x) ?? x;
    return this.#bn2.forward(pass, this.#conv2.forward(pass, hidden), { residual, relu: true });
  }
}

/** conv1×1 – conv3×3 – conv1×1 with four times the channels out. */
export class Bottleneck implements Block {
  static readonly expansion = 4;
  readonly #conv1: Conv2d;
  readonly #bn1: BatchNorm2d;
  readonly #conv2: Conv2d;
  readonly #bn2: BatchNorm2d;
  readonly #conv3: Conv2d;
  readonly #bn3: BatchNorm2d;
  readonly #downsample: ConvBatchNorm | null;

  constructor(scope: Scope, inChannels: number, channels: number, options: BlockOptions = {}) {
    const { stride = 1, initialisation } = options;
    const outChannels = channels * Bottleneck.expansion;
    this.#conv1 = new Conv2d(scope.child('conv1'), inChannels, channels, { kernel: 1, initialisation });
    this.#bn1 = new BatchNorm2d(scope.child('bn1'), channels);
    this.#conv2 = new Conv2d(scope.child('conv2'), channels, channels, {
      kernel: 3,
      stride,
      padding: 1,
      initialisation,
    });
    this.#bn2 = new BatchNorm2d(scope.child('bn2'), channels);
    this.#conv3 = new Conv2d(scope.child('conv3'), channels, outChannels, { kernel: 1, initialisation });
    this.#bn3 = new BatchNorm2d(scope.child('bn3'), outChannels);
    this.#downsample = projection(scope, inChannels, outChannels, options);
  }

  forward(pass: Pass, x: Tensor): Tensor {
    const reduced = this.#bn1.forward(pass, this.#conv1.forward(pass, x), { relu: true });
    const hidden = this.#bn2.forward(pass, this.#conv2.forward(pass, reduced), { relu: true });
    const residual = this.#downsample?.forward(pass, x) ?? x;
    return this.#bn3.forward(pass, this.#conv3.forward(pass, hidden), { residual, relu: true });
  }
}

/** `count` blocks in a row, named 0, 1, …; the first may change width and stride. */
export class Layer {
  readonly channels: number;
  readonly #blocks: Block[];

  constructor(
    scope: Scope,
    type: BlockType,
    inChannels: number,
    channels: number,
    count: number,
    options: BlockOptions = {},
  ) {
    this.channels = channels * type.expansion;
    this.#blocks = Array.from({ length: count }, (_, i) =>
      i === 0
        ? new type(scope.child(0), inChannels, channels, options)
        : new type(scope.child(i), this.channels, channels, { ...options, stride: 1 }),
    );
  }

  forward(pass: Pass, x: Tensor): Tensor {
    return this.#blocks.reduce((features, block) => block.forward(pass, features), x);
  }
}
