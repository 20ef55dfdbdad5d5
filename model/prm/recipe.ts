import { resnet50 } from '../backbone/index.ts';
import type { Recipe } from '../recipe/recipe.ts';

/**
 * The classifier of peak response mapping as its program trains it on PASCAL VOC (demo/config.yml): a fully convolutional
 * ResNet-50 that starts from ImageNet, peak stimulation on maps enlarged to 112 × 112, batches of 16 mirrored at random, SGD
 * at 0.01, the pre-trained part a hundred times slower.
 *
 * @param options `weights`: the file it starts from; with 0 steps it is used as it is.
 */
export const prmClassifier = ({ weights, steps }: { weights: string; steps: number }): Recipe['classifier'] => ({
  backbone: resnet50({ stages: 4, freezeAt: 0 }),
  canvas: { width: 448, height: 448 },
  weights,
  pooling: { type: 'peak-stimulation', upsampling: 8 },
  training: {
    steps,
    batch: 16,
    imagesPerPass: 16,
    statistics: 'batch',
    jitter: { brightness: 0, offset: 0, channel: 0 },
    geometry: { scale: 0, shift: 0 },
  },
  solver: {
    type: 'sgd',
    momentum: 0.9,
    scaleMomentum: false,
    weightDecay: 1e-4,
    biasDecay: true,
    biasLrFactor: 1,
    lrFactors: [{ prefix: 'Conv_Body.', factor: 0.01 }],
    clipNorm: null,
    schedule: { baseLr: 0.01, warmupSteps: 0, warmupFactor: 1, decay: { type: 'step', decaySteps: [], gamma: 1 } },
  },
});
