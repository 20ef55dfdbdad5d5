/** How image classifiers are pre-trained (experiments/cls_hrnet_*.yaml and tools/train.py of HRNet-Image-Classification). */
import type { BackboneConfig } from '@cim/model/backbone/index';
import type { ImageNetTraining } from '@cim/model/classify/imagenet-training';
import type { SgdConfig } from '@cim/model/solver/solver';
import type { TrainingRecipe } from '../pipeline/checkpoint-content.ts';

export interface ImageNetRecipe extends TrainingRecipe {
  readonly backbone: BackboneConfig;
  /** The file of weights it starts from; null: from scratch. */
  readonly weights: string | null;
  readonly seed: number;
  readonly training: ImageNetTraining;
  readonly solver: SgdConfig;
}

export interface ImageNetChoices {
  readonly epochs: number;
  /** Images of a step. */
  readonly batch: number;
  /** Of the first steps; by default that of the original, scaled to the batch. */
  readonly lr?: number;
  /** `step`: a tenth after 30, 60 and 90 % of the steps. `cosine`: to 0. */
  readonly schedule: 'step' | 'cosine';
  readonly imageSize: number;
  readonly seed: number;
  readonly weights: string | null;
}

/** The learning rate at the original's batch: four GPUs with 32 images. */
const BASE_LR = 0.05;
const BASE_BATCH = 128;
const CHECKPOINT_STEPS = 500;

/** The original's recipe for a data set of `images`. */
export function imageNetRecipe(
  name: string,
  backbone: BackboneConfig,
  images: number,
  { epochs, batch, lr = (BASE_LR * batch) / BASE_BATCH, schedule, imageSize, seed, weights }: ImageNetChoices,
): ImageNetRecipe {
  const steps = Math.ceil((epochs * images) / batch);
  const decaySteps = [0.3, 0.6, 0.9].map((share) => Math.round(share * steps));
  return {
    name,
    backbone,
    weights,
    seed,
    training: { steps, batch, imageSize },
    solver: {
      type: 'sgd',
      momentum: 0.9,
      nesterov: true,
      scaleMomentum: false,
      weightDecay: 1e-4,
      biasDecay: true,
      biasLrFactor: 1,
      lrFactors: [],
      clipNorm: null,
      schedule: {
        baseLr: lr,
        warmupSteps: 0,
        warmupFactor: 1,
        decay: schedule === 'cosine' ? { type: 'cosine', steps } : { type: 'step', decaySteps, gamma: 0.1 },
      },
    },
    checkpointEvery: Math.min(CHECKPOINT_STEPS, Math.ceil(images / batch)),
  };
}
