import { type Device, functional as F, type Generator, type Tape, type Tensor } from '@cim/runtime';
import {
  type Backbone,
  type BackboneConfig,
  createBackbone,
  HRNET_NAMES,
  hrnet,
  resnet50,
  vgg16,
} from '../backbone/index.ts';
import { constant, type Initialiser, normal } from '../nn/initialise.ts';
import { Linear, type Pass } from '../nn/layers.ts';
import { ParameterStore, type Scope } from '../nn/parameters.ts';

/** Sizes of an {@link ImageNetClassifier}. */
export interface ImageNetConfig {
  /** 1000 for ImageNet itself. */
  readonly classes: number;
  /** The network that is pre-trained. */
  readonly backbone: BackboneConfig;
}

/** Backbones as they are pre-trained, nothing frozen, by name: hrnet_w18_small_v1 … hrnet_w64, resnet50, vgg16. */
export const imageNetBackbones: ReadonlyMap<string, BackboneConfig> = new Map<string, BackboneConfig>([
  ...HRNET_NAMES.map((name) => [`hrnet_${name}`, hrnet(name, { freezeAt: 0 })] as const),
  ['resnet50', resnet50({ stages: 4, freezeAt: 0 })],
  ['vgg16', vgg16({ dilated: false, freezeAt: 0 })],
]);

/** The seed of the dropout after hidden layer 0, 1, …; one not used again. */
export type DropoutSeeds = (layer: number) => number;

/**
 * An image classifier as backbones are pre-trained with: the features are averaged and lead to a linear layer
 * (cls_hrnet.py of HRNet-Image-Classification, torchvision's ResNet) or to VGG's three. An HRNet's parameters have their
 * published names; others those of their backbone, below no prefix, and torchvision's for the linear layers.
 */
export class ImageNetClassifier {
  /** As given. */
  readonly config: ImageNetConfig;
  /** All weights and buffers. */
  readonly parameters: ParameterStore;
  /** The network that is pre-trained. */
  readonly backbone: Backbone;
  readonly #head: Head;

  /** @param generator draws initial values; null leaves them unset, for all of them will be loaded. */
  constructor(device: Device, config: ImageNetConfig, generator: Generator | null) {
    this.config = config;
    this.parameters = new ParameterStore(device, generator);
    const { backbone, head } = createLayers(this.parameters.scope(), config);
    this.backbone = backbone;
    this.#head = head;
  }

  /**
   * @param images [B, 3, H, W], normalised.
   * @param dropout of VGG's hidden layers in training; without it nothing is dropped.
   * @returns logits [B, classes].
   */
  logits(pass: Pass, images: Tensor, dropout?: DropoutSeeds): Tensor {
    return this.#head.forward(pass, this.backbone.forward(pass, images), dropout);
  }

  /**
   * Records the mean cross entropy of a batch, with batch statistics and dropout.
   * @param labels u32 [B], class indices.
   * @returns the loss of every image [B] and the logits [B, classes].
   */
  loss(tape: Tape, images: Tensor, labels: Tensor, dropout: DropoutSeeds): { losses: Tensor; logits: Tensor } {
    const logits = this.logits({ tape, batchStatistics: true }, images, dropout);
    return { losses: F.crossEntropyLoss(tape, logits, labels), logits };
  }

  /**
   * Draws the weights as the published trainings begin: those of convolutions from N(0, 2/(out · k²)) (torch's
   * kaiming_normal_ with fan_out), VGG's linear ones from N(0, 0.01²), its biases 0.
   */
  initialise(generator: Generator): void {
    const isVgg = this.config.backbone.type === 'vgg';
    for (const [name, tensor] of this.parameters.tensors) {
      const [out, , height, width] = tensor.shape;
      let initialiser: Initialiser | undefined;
      if (tensor.shape.length === 4) initialiser = normal(Math.sqrt(2 / (out * height * width)));
      else if (isVgg) initialiser = name.endsWith('bias') ? constant(0) : normal(0.01);
      if (!initialiser) continue;
      const values = new Float32Array(tensor.size);
      initialiser(generator, values);
      tensor.write(values);
    }
  }
}

interface Head {
  forward(pass: Pass, features: Tensor, dropout?: DropoutSeeds): Tensor;
}

/** The parts of an {@link ImageNetClassifier}, their parameters directly below `scope`. */
export function createLayers(scope: Scope, { backbone: config, classes }: ImageNetConfig) {
  const backbone = createBackbone(scope, config);
  const name = config.type === 'resnet' ? 'fc' : 'classifier';
  const HeadType = config.type === 'vgg' ? VggHead : PooledHead;
  const head: Head = new HeadType(scope.child(name), backbone.channels, classes);
  return { backbone, head };
}

/** The average of all cells, then a linear layer. */
class PooledHead implements Head {
  readonly #linear: Linear;

  constructor(scope: Scope, channels: number, classes: number) {
    this.#linear = new Linear(scope, channels, classes);
  }

  forward(pass: Pass, features: Tensor): Tensor {
    return this.#linear.forward(pass, averaged(pass.tape, features, 1));
  }
}

const VGG_CELLS = 7;
const VGG_DROPOUT = 0.5;
/** Width of the hidden layers, in channels of the features: 4096 of 512. */
const VGG_WIDENING = 8;

/** 7 × 7 averages, then two hidden layers with dropout and the last one: classifier.0, .3 and .6 (odd parts are ReLUs). */
class VggHead implements Head {
  readonly #hidden: Linear[];
  readonly #last: Linear;

  constructor(scope: Scope, channels: number, classes: number) {
    const width = channels * VGG_WIDENING;
    this.#hidden = [
      new Linear(scope.child(0), channels * VGG_CELLS ** 2, width),
      new Linear(scope.child(3), width, width),
    ];
    this.#last = new Linear(scope.child(6), width, classes);
  }

  forward(pass: Pass, features: Tensor, dropout?: DropoutSeeds): Tensor {
    const x = this.#hidden.reduce(
      (input, layer, i) => {
        const hidden = layer.forward(pass, input, { relu: true });
        return dropout ? F.dropout(pass.tape, hidden, { rate: VGG_DROPOUT, seed: dropout(i) }) : hidden;
      },
      averaged(pass.tape, features, VGG_CELLS),
    );
    return this.#last.forward(pass, x);
  }
}

/** Averages of a grid of cells × cells, [B, channels · cells²]. */
function averaged(tape: Tape, features: Tensor, cells: number): Tensor {
  const [batch, channels] = features.shape;
  return tape.reshape(F.adaptiveAvgPool2d(tape, features, [cells, cells]), [batch, channels * cells ** 2]);
}
