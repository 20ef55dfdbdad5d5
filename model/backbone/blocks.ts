import type { Tensor } from '@cim/runtime';
import { ConvBatchNorm, type Initialisation, numbered, type Pass, part, sequential } from '../nn/layers.ts';
import type { Scope } from '../nn/parameters.ts';

/** A residual block of HRNet and ResNet. */
export interface Block {
  /** x [B, inChannels, H, W] → [B, channels · expansion, ⌈H/stride⌉, ⌈W/stride⌉]. */
  forward(pass: Pass, x: Tensor): Tensor;
}
/** Of a residual block. */
export interface BlockOptions {
  /** Of its 3×3 convolution, the first one of a basic block; 1 unless given. */
  readonly stride?: number;
  /** Of its convolutions; PyTorch's unless given. */
  readonly initialisation?: Initialisation;
}
/** The class of a residual block: {@link BasicBlock} or {@link Bottleneck}. */
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
    ? new ConvBatchNorm(sequential(scope.child('downsample')), from, to, { kernel: 1, stride, initialisation })
    : null;

/** conv3×3 – BN – ReLU – conv3×3 – BN, plus the shortcut, ReLU. */
export class BasicBlock implements Block {
  /** As many channels come out as `channels` says. */
  static readonly expansion = 1;
  readonly #conv1: ConvBatchNorm;
  readonly #conv2: ConvBatchNorm;
  readonly #downsample: ConvBatchNorm | null;

  /** Adds `conv1`, `bn1`, … to the scope; the shortcut is a 1×1 convolution where the shape changes. */
  constructor(scope: Scope, inChannels: number, channels: number, options: BlockOptions = {}) {
    const { stride = 1, initialisation } = options;
    const conv3x3 = { kernel: 3, padding: 1, initialisation };
    this.#conv1 = new ConvBatchNorm(numbered(scope, 1), inChannels, channels, { ...conv3x3, stride });
    this.#conv2 = new ConvBatchNorm(numbered(scope, 2), channels, channels, conv3x3);
    this.#downsample = projection(scope, inChannels, channels, options);
  }

  forward(pass: Pass, x: Tensor): Tensor {
    const hidden = this.#conv1.forward(pass, x, { relu: true });
    const residual = this.#downsample?.forward(pass, x) ?? x;
    return this.#conv2.forward(pass, hidden, { residual, relu: true });
  }
}

/** conv1×1 – conv3×3 – conv1×1 with four times the channels out. */
export class Bottleneck implements Block {
  /** Four times `channels` come out. */
  static readonly expansion = 4;
  readonly #conv1: ConvBatchNorm;
  readonly #conv2: ConvBatchNorm;
  readonly #conv3: ConvBatchNorm;
  readonly #downsample: ConvBatchNorm | null;

  /** Adds `conv1`, `bn1`, … to the scope; the shortcut is a 1×1 convolution where the shape changes. */
  constructor(scope: Scope, inChannels: number, channels: number, options: BlockOptions = {}) {
    const { stride = 1, initialisation } = options;
    const outChannels = channels * Bottleneck.expansion;
    const conv1x1 = { kernel: 1, initialisation };
    const conv3x3 = { kernel: 3, stride, padding: 1, initialisation };
    this.#conv1 = new ConvBatchNorm(numbered(scope, 1), inChannels, channels, conv1x1);
    this.#conv2 = new ConvBatchNorm(numbered(scope, 2), channels, channels, conv3x3);
    this.#conv3 = new ConvBatchNorm(numbered(scope, 3), channels, outChannels, conv1x1);
    this.#downsample = projection(scope, inChannels, outChannels, options);
  }

  forward(pass: Pass, x: Tensor): Tensor {
    const reduced = this.#conv1.forward(pass, x, { relu: true });
    const hidden = this.#conv2.forward(pass, reduced, { relu: true });
    const residual = this.#downsample?.forward(pass, x) ?? x;
    return this.#conv3.forward(pass, hidden, { residual, relu: true });
  }
}

/** `count` blocks in a row, named 0, 1, …; the first may change width and stride. */
export class Layer {
  /** Channels of the output. */
  readonly channels: number;
  readonly #blocks: Block[];

  /** The options are those of the first block. */
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

  /** x through all blocks. */
  forward(pass: Pass, x: Tensor): Tensor {
    const run = (features: Tensor, block: Block) => part(pass, [features], (own, [input]) => block.forward(own, input));
    return pass.tape.section(() => this.#blocks.reduce(run, x));
  }
}
