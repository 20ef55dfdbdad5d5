import { type Device, functional as F, type Generator, type Tape, type Tensor } from '@cim/runtime';
import { type Backbone, type BackboneConfig, createBackbone } from '../backbone/index.ts';
import { Conv2d, type Pass } from '../nn/layers.ts';
import { ParameterStore, type StoreOptions } from '../nn/parameters.ts';

/** Sizes of a {@link Classifier}. */
export interface ClassifierConfig {
  /** C; there is no background. */
  readonly classes: number;
  /** Turns the image into one feature map. */
  readonly backbone: BackboneConfig;
  /** Turns a response map into a score. */
  readonly pooling: Pooling;
}

/**
 * How a response map becomes a class score. `log-sum-exp`: towards the maximum as `sharpness` grows, towards the mean as
 * it falls; learns from scratch. Its peaks are those of the mean over windows of `peakWindow` cells a side (1 unless
 * given): a larger one finds the middle of what speaks for a class, where single cells find its edges and many peaks. `peak-stimulation`: the mean of the map's peaks (Zhou et al., CVPR 2018), for networks
 * that start from trained weights; the map is enlarged `upsampling` times first, bilinearly with corners
 * aligned, so that peaks are found between cells (the original's sub_pixel_locating_factor, 8).
 */
export type Pooling =
  | { readonly type: 'log-sum-exp'; readonly sharpness: number; readonly peakWindow?: number }
  | { readonly type: 'peak-stimulation'; readonly upsampling: number };

/**
 * A fully convolutional image classifier: backbone and a 1×1 convolution give one response map per class,
 * pooled to a score. Its maps locate classes (peaks), its backbone initialises `Cim`, which has the same names.
 */
export class Classifier {
  /** As given. */
  readonly config: ClassifierConfig;
  /** All weights and buffers. */
  readonly parameters: ParameterStore;
  /** Features of the image. */
  readonly backbone: Backbone;
  readonly #classifier: Conv2d;

  /** Generator and options are those of {@link ParameterStore}. */
  constructor(device: Device, config: ClassifierConfig, generator: Generator | null, options: StoreOptions = {}) {
    this.config = config;
    this.parameters = new ParameterStore(device, generator, options);
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
   * @param options `batchStatistics`: whether batch norm uses, and updates from, the batch's statistics.
   *   `weight`: of the loss in the differentiated total; the returned loss is without it.
   * @returns the loss [1] and the class scores [B, C].
   */
  loss(
    tape: Tape,
    images: Tensor,
    targets: Tensor,
    { batchStatistics = true, weight = 1 }: { batchStatistics?: boolean; weight?: number } = {},
  ): { loss: Tensor; scores: Tensor } {
    const maps = this.responses({ tape, batchStatistics }, images);
    const scores = this.#pool(tape, maps);
    return { loss: F.multiLabelSoftMarginLoss(tape, scores, targets, weight), scores };
  }

  /** Class scores [B, C] with frozen statistics. */
  scores(tape: Tape, images: Tensor): Tensor {
    return this.#pool(tape, this.responses({ tape, batchStatistics: false }, images));
  }

  /**
   * The maps in which an image's peaks are looked for, [B, C, h, w], {@link cellSize} pixels a cell: the responses as peak
   * stimulation pools them; others enlarged to a cell a pixel. They may reach over the right and bottom borders, by the
   * padding up to whole cells of the backbone.
   */
  peakMaps(pass: Pass, images: Tensor): Tensor {
    return this.#enlarged(pass.tape, this.responses(pass, images));
  }

  /** Image pixels per cell of {@link peakMaps}. */
  get cellSize(): number {
    const { pooling } = this.config;
    return pooling.type === 'peak-stimulation' ? this.backbone.stride / pooling.upsampling : 1;
  }

  /** Class scores [B, C], {@link peakMaps}, and u32 maps of the same shape that are 1 at peaks; statistics are frozen. */
  locate(tape: Tape, images: Tensor): { scores: Tensor; maps: Tensor; peakMap: Tensor } {
    const responses = this.responses({ tape, batchStatistics: false }, images);
    const maps = this.#enlarged(tape, responses);
    const { aggregation, peakMap } = F.peakStimulation(tape, maps);
    const { pooling } = this.config;
    return { scores: pooling.type === 'peak-stimulation' ? aggregation : this.#pool(tape, responses), maps, peakMap };
  }

  #enlarged(tape: Tape, responses: Tensor): Tensor {
    const { pooling } = this.config;
    if (pooling.type === 'peak-stimulation') return responses;
    const { peakWindow = 1 } = pooling;
    const maps = peakWindow > 1 ? F.meanFilter2d(tape, responses, (peakWindow - 1) / 2) : responses;
    const { stride } = this.backbone;
    // The centre of cell k is pixel k · stride: that is where convolutions with padding leave it.
    const [height, width] = maps.shape.slice(2).map((cells) => (cells - 1) * stride + 1);
    return F.upsampleBilinear(tape, maps, [height, width], { alignCorners: true });
  }

  #pool(tape: Tape, maps: Tensor): Tensor {
    const { pooling } = this.config;
    if (pooling.type === 'log-sum-exp') return F.logSumExpPool(tape, maps, pooling.sharpness);
    return F.peakStimulation(tape, maps).aggregation;
  }
}
