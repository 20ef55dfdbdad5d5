import { type Device, functional as F, type Generator, type Tape, type Tensor } from '@cim/runtime';
import { type Backbone, type BackboneConfig, createBackbone } from '../backbone/index.ts';
import { Conv2d, type Pass } from '../nn/layers.ts';
import { ParameterStore } from '../nn/parameters.ts';

export interface ClassifierConfig {
  readonly classes: number;
  readonly backbone: BackboneConfig;
  readonly pooling: Pooling;
}

/**
 * How a response map becomes a class score. `log-sum-exp`: towards the maximum as `sharpness` grows, towards the mean as
 * it falls; learns from scratch. `peak-stimulation`: the mean of the map's peaks (Zhou et al., CVPR 2018), for networks
 * that start from trained weights; the map is enlarged `upsampling` times first, bilinearly with corners
 * aligned, so that peaks are found between cells (the original's sub_pixel_locating_factor, 8).
 */
export type Pooling =
  | { readonly type: 'log-sum-exp'; readonly sharpness: number }
  | { readonly type: 'peak-stimulation'; readonly upsampling: number };

/**
 * A fully convolutional image classifier: backbone and a 1×1 convolution give one response map per class,
 * pooled to a score. Its maps locate classes (peaks), its backbone initialises {@link Cim}, which has the same names.
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
    this.#classifier = new Conv2d(root.child('classifier').child(0), this.backbone.channels, config.classes, {
      kernel: 1,
      bias: true,
    });
  }

  /**
   * @param images [B, 3, H, W], normalised.
   * @returns response maps [B, C, h, w] as their peaks are looked for: at the backbone's stride, or enlarged.
   */
  responses(pass: Pass, images: Tensor): Tensor {
    const { pooling } = this.config;
    const maps = this.#classifier.forward(pass, this.backbone.forward(pass, images));
    if (pooling.type !== 'peak-stimulation' || pooling.upsampling === 1) return maps;
    const [, , height, width] = maps.shape;
    const size = [height * pooling.upsampling, width * pooling.upsampling] as const;
    return F.upsampleBilinear(pass.tape, maps, size, { alignCorners: true });
  }

  /**
   * Records the multi-label soft margin loss of a batch.
   * @param targets [B, C], 0 or 1.
   * @returns the loss [1] and the class scores [B, C].
   */
  loss(tape: Tape, images: Tensor, targets: Tensor): { loss: Tensor; scores: Tensor } {
    const maps = this.responses({ tape, batchStatistics: true }, images);
    const scores = this.#pool(tape, maps);
    return { loss: F.multiLabelSoftMarginLoss(tape, scores, targets, 1), scores };
  }

  /** Class scores [B, C] with frozen statistics. */
  scores(tape: Tape, images: Tensor): Tensor {
    return this.#pool(tape, this.responses({ tape, batchStatistics: false }, images));
  }

  #pool(tape: Tape, maps: Tensor): Tensor {
    const { pooling } = this.config;
    if (pooling.type === 'log-sum-exp') return F.logSumExpPool(tape, maps, pooling.sharpness);
    return F.peakStimulation(tape, maps).aggregation;
  }
}
