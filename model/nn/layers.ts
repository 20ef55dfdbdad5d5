import { functional as F, type Tape, Tensor, type Weight } from '@cim/runtime';
import { constant, type Initialiser, normal, uniform } from './initialise.ts';
import type { Scope } from './parameters.ts';

/** What a forward pass runs under. */
export interface Pass {
  /** Records the operations. */
  readonly tape: Tape;
  /** Batch norm uses (and updates from) the batch's statistics instead of the frozen running ones. */
  readonly batchStatistics: boolean;
  /** Keep few activations: parts of the network run again in the backward pass, see {@link part}. */
  readonly recompute?: boolean;
  /** Gradients spread positive evidence instead of derivatives: excitation back-propagation (lib/prm/prm_modules.py). */
  readonly excitation?: boolean;
}

/**
 * Runs a part of a network. Its intermediate results are freed where no gradient needs them, and with `recompute` where
 * one does. With the batch's statistics a part must not run twice: it would update the running ones twice.
 */
export function part(
  pass: Pass,
  inputs: readonly Tensor[],
  run: (pass: Pass, inputs: readonly Tensor[]) => Tensor,
): Tensor {
  const { tape, recompute, batchStatistics } = pass;
  if (!recompute || batchStatistics) return tape.section(() => run(pass, inputs));
  return tape.checkpoint(inputs, (own, again) => run({ ...pass, tape: own, recompute: false }, again));
}

/** `torch` is PyTorch's default, U(±1/√fan_in); `he` is N(0, 2/fan_in), which a deep ReLU chain from scratch needs. */
export type Initialisation = 'torch' | 'he';
const weightInit = (kind: Initialisation, fanIn: number): Initialiser =>
  kind === 'he' ? normal(Math.sqrt(2 / fanIn)) : uniform(1 / Math.sqrt(fanIn));

/** As torch.nn.Conv2d takes them, in one number for both directions. */
export interface ConvOptions {
  /** Cells per side. */
  readonly kernel: number;
  /** 1 unless given. */
  readonly stride?: number;
  /** 0 unless given. */
  readonly padding?: number;
  /** 1 unless given. */
  readonly dilation?: number;
  /** Whether a bias is added; not unless set. */
  readonly bias?: boolean;
  /** How weight and bias begin; PyTorch's rule unless given. */
  readonly initialisation?: Initialisation;
}

/** torch.nn.Conv2d: weight [out, in, k, k], optional bias [out]. */
export class Conv2d {
  /** [out, in, k, k]. */
  readonly weight: Weight;
  /** [out], or null. */
  readonly bias: Tensor | null;
  /** Cells, in both directions. */
  readonly geometry: { stride: number; padding: number; dilation: number };

  /** Adds `weight` and `bias` to the scope. */
  constructor(scope: Scope, inChannels: number, outChannels: number, options: ConvOptions) {
    const { kernel, stride = 1, padding = 0, dilation = 1, bias = false, initialisation = 'torch' } = options;
    const fanIn = inChannels * kernel * kernel;
    this.weight = scope.parameter(
      'weight',
      [outChannels, inChannels, kernel, kernel],
      weightInit(initialisation, fanIn),
    );
    this.bias = bias ? scope.parameter('bias', [outChannels], uniform(1 / Math.sqrt(fanIn))) : null;
    this.geometry = { stride, padding, dilation };
  }

  /** x [B, in, H, W] → [B, out, ho, wo], through max(0, ·) when `relu`. */
  forward({ tape, excitation }: Pass, x: Tensor, { relu = false } = {}): Tensor {
    if (!excitation) return F.conv2d(tape, x, this.weight, this.bias, { ...this.geometry, relu });
    const y = F.peakConv2d(tape, x, this.weight, this.bias, this.geometry);
    return relu ? F.relu(tape, y) : y;
  }
}

/** torch.nn.Linear: weight [out, in], bias [out]. */
export class Linear {
  /** [out, in]. */
  readonly weight: Weight;
  /** [out]. */
  readonly bias: Tensor;

  /** Adds `weight` and `bias` to the scope. */
  constructor(scope: Scope, inFeatures: number, outFeatures: number, initialisation: Initialisation = 'torch') {
    this.weight = scope.parameter('weight', [outFeatures, inFeatures], weightInit(initialisation, inFeatures));
    this.bias = scope.parameter('bias', [outFeatures], uniform(1 / Math.sqrt(inFeatures)));
  }

  /** x [N, in] → [N, out], through max(0, ·) when `relu`. */
  forward({ tape }: Pass, x: Tensor, { relu = false } = {}): Tensor {
    return F.linear(tape, x, this.weight, this.bias, { relu });
  }
}

/** torch.nn.BatchNorm2d (ε 1e-5, momentum 0.1), with the residual sum and ReLU that usually follow fused in. */
export class BatchNorm2d {
  /** Weight, bias, running mean and variance, [channels] each. */
  readonly parameters: F.BatchNormParameters;

  /** Adds `weight`, `bias`, `running_mean` and `running_var` to the scope. */
  constructor(scope: Scope, channels: number) {
    this.parameters = {
      weight: scope.parameter('weight', [channels], constant(1)),
      bias: scope.parameter('bias', [channels], constant(0)),
      runningMean: scope.buffer('running_mean', [channels], 0),
      runningVar: scope.buffer('running_var', [channels], 1),
    };
  }

  /** x [B, channels, H, W] normalised, plus the residual, through max(0, ·) when `relu`. */
  forward({ tape, batchStatistics }: Pass, x: Tensor, options: { relu?: boolean; residual?: Tensor } = {}): Tensor {
    return F.batchNorm(tape, x, this.parameters, { training: batchStatistics, ...options });
  }
}

/** Where the names of a convolution and of its batch norm lie. */
export type ConvBatchNormScopes = readonly [conv: Scope, norm: Scope];
/** `0` and `1`, as in nn.Sequential. */
export const sequential = (scope: Scope): ConvBatchNormScopes => [scope.child(0), scope.child(1)];
/** `conv1` and `bn1`. */
export const numbered = (scope: Scope, n: number): ConvBatchNormScopes => [
  scope.child(`conv${n}`),
  scope.child(`bn${n}`),
];

/** A convolution and its batch norm, the residual sum and ReLU that usually follow: one kernel with frozen statistics. */
export class ConvBatchNorm {
  readonly #conv: Conv2d;
  readonly #bn: BatchNorm2d;
  /** Null for a weight in shards. */
  readonly #folded: F.FoldedBatchNorm | null;

  /** Adds the parameters of both layers, each to its own scope. */
  constructor([conv, norm]: ConvBatchNormScopes, inChannels: number, outChannels: number, options: ConvOptions) {
    this.#conv = new Conv2d(conv, inChannels, outChannels, options);
    this.#bn = new BatchNorm2d(norm, outChannels);
    const { weight, bias } = this.#conv;
    this.#folded =
      weight instanceof Tensor ? conv.store.own(new F.FoldedBatchNorm(weight, bias, this.#bn.parameters)) : null;
  }

  /** x [B, in, H, W] → [B, out, ho, wo]: convolved, normalised, plus the residual, through max(0, ·) when `relu`. */
  forward(pass: Pass, x: Tensor, options: { relu?: boolean; residual?: Tensor } = {}): Tensor {
    if (this.#folded && !pass.batchStatistics && !pass.excitation) {
      return F.convBatchNorm2d(pass.tape, x, this.#folded, { ...this.#conv.geometry, ...options });
    }
    return this.#bn.forward(pass, this.#conv.forward(pass, x), options);
  }
}
