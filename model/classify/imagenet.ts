import { type Device, functional as F, type Generator, type Tape, type Tensor } from '@cim/runtime';
import { type Backbone, type BackboneConfig, createBackbone } from '../backbone/index.ts';
import { Linear, type Pass } from '../nn/layers.ts';
import { ParameterStore } from '../nn/parameters.ts';

export interface ImageNetConfig {
  readonly classes: number;
  readonly backbone: BackboneConfig;
}

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

  constructor(device: Device, config: ImageNetConfig, generator: Generator) {
    this.config = config;
    this.parameters = new ParameterStore(device, generator);
    const root = this.parameters.scope();
    this.backbone = createBackbone(root, config.backbone);
    this.#linear = new Linear(root.child(headName(config.backbone)), this.backbone.channels, config.classes);
  }

  /**
   * @param images [B, 3, H, W], normalised.
   * @param observe is shown the backbone's features, [B, channels, h, w].
   * @returns logits [B, classes].
   */
  logits(pass: Pass, images: Tensor, observe?: (features: Tensor) => void): Tensor {
    const { tape } = pass;
    const features = this.backbone.forward(pass, images);
    observe?.(features);
    const [batch, channels] = features.shape;
    const pooled = F.adaptiveAvgPool2d(tape, features, [1, 1]);
    return this.#linear.forward(pass, tape.reshape(pooled, [batch, channels]));
  }

  /**
   * Records the cross entropy of a batch, with batch statistics.
   * @param labels u32 [B], class indices.
   * @returns the mean loss [1] and the logits [B, classes].
   */
  loss(tape: Tape, images: Tensor, labels: Tensor): { loss: Tensor; logits: Tensor } {
    const logits = this.logits({ tape, batchStatistics: true }, images);
    return { loss: F.crossEntropyLoss(tape, logits, labels, 1), logits };
  }
}
