import { functional as F, type Tape, type Tensor, type Weight } from '@cim/runtime';
import { constant, type Initialiser, normal, uniform } from './initialise.ts';
import type { Scope } from './parameters.ts';

/** What a forward pass runs under. */
export interface Pass {
  readonly tape: Tape;
  /** Batch norm uses (and updates from) the batch's statistics instead of the frozen running ones. */
  readonly batchStatistics: boolean;
  /** Gradients spread positive evidence instead of derivatives: excitation back-propagation (lib/prm/prm_modules.py). */
  readonly excitation?: boolean;
}

/** `torch` is PyTorch's default, U(±1/√fan_in); `he` is N(0, 2/fan_in), which a deep ReLU chain from scratch needs. */
export type Initialisation = 'torch' | 'he';
const weightInit = (kind: Initialisation, fanIn: number): Initialiser =>
  kind === 'he' ? normal(Math.sqrt(2 / fanIn)) : uniform(1 / Math.sqrt(fanIn));

export interface ConvOptions {
  readonly kernel: number;
  readonly stride?: number;
  readonly padding?: number;
  readonly dilation?: number;
  readonly bias?: boolean;
  readonly initialisation?: Initialisation;
}

/** torch.nn.Conv2d: weight [out, in, k, k], optional bias [out]. */
export class Conv2d {
  readonly weight: Weight;
  readonly bias: Tensor | null;
  readonly #geometry: { stride: number; padding: number; dilation: number };

  constructor(scope: Scope, inChannels: number, outChannels: number, options: ConvOptions) {
    const { kernel, stride = 1, padding = 0, dilation = 1, bias = false, initialisation = 'torch' } = options;
    const fanIn = inChannels * kernel * kernel;
    this.weight = scope.parameter(
      'weight',
      [outChannels, inChannels, kernel, kernel],
      weightInit(initialisation, fanIn),
    );
    this.bias = bias ? scope.parameter('bias', [outChannels], uniform(1 / Math.sqrt(fanIn))) : null;
    this.#geometry = { stride, padding, dilation };
  }

  forward({ tape, excitation }: Pass, x: Tensor, { relu = false } = {}): Tensor {
    if (!excitation) return F.conv2d(tape, x, this.weight, this.bias, { ...this.#geometry, relu });
    const y = F.peakConv2d(tape, x, this.weight, this.bias, this.#geometry);
    return relu ? F.relu(tape, y) : y;
  }
}

/** torch.nn.Linear: weight [out, in], bias [out]. */
export class Linear {
  readonly weight: Weight;
  readonly bias: Tensor;

  constructor(scope: Scope, inFeatures: number, outFeatures: number, initialisation: Initialisation = 'torch') {
    this.weight = scope.parameter('weight', [outFeatures, inFeatures], weightInit(initialisation, inFeatures));
    this.bias = scope.parameter('bias', [outFeatures], uniform(1 / Math.sqrt(inFeatures)));
  }

  forward({ tape }: Pass, x: Tensor, { relu = false } = {}): Tensor {
    return F.linear(tape, x, this.weight, this.bias, { relu });
  }
}

/** torch.nn.BatchNorm2d (ε 1e-5, momentum 0.1), with the residual sum and ReLU that usually follow fused in. */
export class BatchNorm2d {
  readonly #state: { weight: Tensor; bias: Tensor; runningMean: Tensor; runningVar: Tensor };

  constructor(scope: Scope, channels: number) {
    this.#state = {
      weight: scope.parameter('weight', [channels], constant(1)),
      bias: scope.parameter('bias', [channels], constant(0)),
      runningMean: scope.buffer('running_mean', [channels], 0),
      runningVar: scope.buffer('running_var', [channels], 1),
    };
  }

  forward({ tape, batchStatistics }: Pass, x: Tensor, options: { relu?: boolean; residual?: Tensor } = {}): Tensor {
    return F.batchNorm(tape, x, this.#state, { training: batchStatistics, ...options });
  }
}

/** A 3×3 (or 1×1) convolution without bias and its batch norm, named `0` and `1` below the scope as in nn.Sequential. */
export class ConvBatchNorm {
  readonly #conv: Conv2d;
  readonly #bn: BatchNorm2d;

  constructor(scope: Scope, inChannels: number, outChannels: number, options: ConvOptions) {
    this.#conv = new Conv2d(scope.child(0), inChannels, outChannels, options);
    this.#bn = new BatchNorm2d(scope.child(1), outChannels);
  }

  forward(pass: Pass, x: Tensor, options: { relu?: boolean; residual?: Tensor } = {}): Tensor {
    return this.#bn.forward(pass, this.#conv.forward(pass, x), options);
  }
}
