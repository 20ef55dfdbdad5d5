import { type Device, functional as F, type Generator, type Tape, type Tensor } from '@cim/runtime';
import { type Backbone, type BackboneConfig, createBackbone, HRNET_NAMES, hrnet, resnet50 } from '../backbone/index.ts';
import { normal } from '../nn/initialise.ts';
import { Linear, type Pass } from '../nn/layers.ts';
import { ParameterStore } from '../nn/parameters.ts';

export interface ImageNetConfig {
  readonly classes: number;
  readonly backbone: BackboneConfig;
}

/** Backbones as they are pre-trained, nothing frozen, by name: hrnet_w18_small_v1 … hrnet_w64, resnet50. */
export const imageNetBackbones: ReadonlyMap<string, BackboneConfig> = new Map<string, BackboneConfig>([
  ...HRNET_NAMES.map((name) => [`hrnet_${name}`, hrnet(name, { freezeAt: 0 })] as const),
  ['resnet50', resnet50({ stages: 4, freezeAt: 0 })],
]);

/** Names of the linear layer in published weights: torchvision's ResNets call it fc. */
const headName = ({ type }: BackboneConfig): string => (type === 'resnet' ? 'fc' : 'classifier');

/**
 * An image classifier as backbones are pre-trained with: global average pooling of the features and a linear layer
 * (cls_hrnet.py of HRNet-Image-Classification, torchvision's ResNet). An HRNet's parameters have their published names,
 * a ResNet's those of its backbone, below no prefix.
 */
export class ImageNetClassifier {
  readonly config: ImageNetConfig;
  readonly parameters: ParameterStore;
  readonly backbone: Backbone;
  readonly #linear: Linear;

  /** @param generator draws initial values; null leaves them unset, for all of them will be loaded. */
  constructor(device: Device, config: ImageNetConfig, generator: Generator | null) {
    this.config = config;
    this.parameters = new ParameterStore(device, generator);
    const root = this.parameters.scope();
    this.backbone = createBackbone(root, config.backbone);
    this.#linear = new Linear(root.child(headName(config.backbone)), this.backbone.channels, config.classes);
  }

  /**
   * @param images [B, 3, H, W], normalised.
   * @returns logits [B, classes].
   */
  logits(pass: Pass, images: Tensor): Tensor {
    const { tape } = pass;
    const features = this.backbone.forward(pass, images);
    const [batch, channels] = features.shape;
    const pooled = F.adaptiveAvgPool2d(tape, features, [1, 1]);
    return this.#linear.forward(pass, tape.reshape(pooled, [batch, channels]));
  }

  /**
   * Records the mean cross entropy of a batch, with batch statistics.
   * @param labels u32 [B], class indices.
   * @returns the loss of every image [B] and the logits [B, classes].
   */
  loss(tape: Tape, images: Tensor, labels: Tensor): { losses: Tensor; logits: Tensor } {
    const logits = this.logits({ tape, batchStatistics: true }, images);
    return { losses: F.crossEntropyLoss(tape, logits, labels), logits };
  }

  /**
   * Draws all convolution weights from N(0, 2/(out · k²)), as both published trainings begin (torch's kaiming_normal_ with
   * fan_out).
   */
  initialise(generator: Generator): void {
    for (const tensor of this.parameters.tensors.values()) {
      if (tensor.shape.length !== 4) continue;
      const [outChannels, , height, width] = tensor.shape;
      const values = new Float32Array(tensor.size);
      normal(Math.sqrt(2 / (outChannels * height * width)))(generator, values);
      tensor.write(values);
    }
  }
}
