import { type Device, type Generator, philox, Tape } from '@cim/runtime';
import type { Cim, CimConfig } from '../cim.ts';
import type { AntiNoise } from '../mining/index.ts';
import type { Solver } from '../solver/solver.ts';
import { type LoopOptions, trainLoop } from './loop.ts';
import { gather, type LossTerm } from './loss-terms.ts';
import { SampleSequence, type SampleSource } from './order.ts';
import { type ColourJitter, drawAugmentation, type HostSample, uploadSample } from './sample.ts';

export interface CimTraining {
  readonly steps: number;
  /** Images whose gradients are summed per step. */
  readonly imagesPerStep: number;
  readonly jitter: ColourJitter;
}

/** The original's four losses of one image, in the order they are gathered. */
const lossTerms = ({ clusterLoss, strategy, branches }: CimConfig): LossTerm[] => [
  { name: 'bag', weight: 1 },
  ...(clusterLoss ? [{ name: 'pcl', weight: 1 }] : []),
  ...Array.from({ length: strategy === 'none' ? 0 : branches }, () => [
    { name: 'cls', weight: 1 },
    { name: 'iou', weight: 3 },
    { name: 'bag', weight: 1 },
  ]).flat(),
];

/** Draws are keyed by step, image and branch, so they do not depend on what else a run draws. */
const antiNoiseFor = (seed: number, step: number, image: number): ((branch: number) => AntiNoise) => {
  const [key] = philox(seed, step, ANTI_NOISE_STREAM + image);
  return (branch) => ({ seed: key, counter: branch * 2 ** 20 });
};
const ANTI_NOISE_STREAM = 2;

/** Trains on image labels. Flips and jitter come from `generator`, whose state is part of a checkpoint. */
export async function trainCim(
  device: Device,
  cim: Cim,
  solver: Solver,
  source: SampleSource<HostSample>,
  generator: Generator,
  options: CimTraining & Pick<LoopOptions, 'start' | 'onStep' | 'savesAt'>,
): Promise<void> {
  const terms = lossTerms(cim.config);
  const { imagesPerStep, jitter } = options;
  const sequence = new SampleSequence(source, generator.seed);
  await trainLoop({
    ...options,
    device,
    parameters: cim.parameters,
    solver,
    terms,
    work: async (step) => {
      const values = device.empty([imagesPerStep, terms.length]);
      const images: string[] = [];
      for (let i = 0; i < imagesPerStep; i++) {
        const sample = await sequence.at(step * imagesPerStep + i);
        images.push(sample.image.name);
        const augmentation = drawAugmentation(generator, jitter);
        device.scope(() => {
          const tape = new Tape(device);
          const uploaded = uploadSample(device, sample, augmentation);
          const scores = cim.forward(tape, uploaded);
          const { bag, pcl, refinement } = cim.losses(tape, scores, uploaded, antiNoiseFor(generator.seed, step, i));
          gather(device, [bag, ...(pcl ? [pcl] : []), ...refinement], values, i * terms.length);
          tape.backward();
        });
      }
      return { values, images };
    },
  });
}
