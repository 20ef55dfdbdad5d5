import { type Device, functional as F, type Generator, type Tape, type Tensor } from '@cim/runtime';
import { type Backbone, type BackboneConfig, createBackbone } from '../backbone/index.ts';
import { Conv2d, type Pass } from '../nn/layers.ts';
import { ParameterStore } from '../nn/parameters.ts';

export interface ClassifierConfig {
  readonly classes: number;
  readonly backbone: BackboneConfig;
  /** r of the log-sum-exp pooling: towards the maximum as r grows, towards the mean as it falls. */
  readonly sharpness: number;
}

/**
 * A fully convolutional image classifier: backbone and a 1×1 convolution give one response map per class, pooled by
 * log-sum-exp. Its maps locate classes (peaks), its backbone initialises {@link Cim}, which has the same names.
 */
export class Classifier {
  readonly config: ClassifierConfig;
  readonly parameters: ParameterStore;
  readonly backbone: Backbone;
  readonly #classifier: Conv2d;

  constructor(device: Device, config: ClassifierConfig, generator: Generator) {
    this.config = config;
    this.parameters = new ParameterStore(device, generator);
    const root = this.parameters.scope();
    this.backbone = createBackbone(root.child('Conv_Body'), config.backbone);
    this.#classifier = new Conv2d(root.child('classifier').child(0), this.backbone.channels, config.classes, { kernel: 1, bias: true });
  }

  /** @param images [B, 3, H, W], normalised. @returns response maps [B, C, h, w] at the backbone's stride. */
  responses(pass: Pass, images: Tensor): Tensor {
    return this.#classifier.forward(pass, this.backbone.forward(pass, images));
  }

  /**
   * Records the multi-label soft margin loss of a batch.
   * @param targets [B, C], 0 or 1.
   * @returns the loss [1] and the class scores [B, C].
   */
  loss(tape: Tape, images: Tensor, targets: Tensor): { loss: Tensor; scores: Tensor } {
    const maps = this.responses({ tape, batchStatistics: true }, images);
    const scores = F.logSumExpPool(tape, maps, this.config.sharpness);
    return { loss: F.multiLabelSoftMarginLoss(tape, scores, targets, 1), scores };
  }

  /** Class scores [B, C] with frozen statistics. */
  scores(tape: Tape, images: Tensor): Tensor {
    return F.logSumExpPool(tape, this.responses({ tape, batchStatistics: false }, images), this.config.sharpness);
  }
}
