import { type Device, type Generator, philox, Tape } from '@cim/runtime';
import type { Cim, CimConfig } from '../cim.ts';
import { OverlapCache } from '../masks/index.ts';
import type { AntiNoise } from '../mining/index.ts';
import type { Solver } from '../solver/solver.ts';
import { type LoopOptions, trainLoop } from './loop.ts';
import { gather, type LossTerm } from './loss-terms.ts';
import { SampleSequence, type SampleSource } from './order.ts';
import {
  type Augmentation,
  type ColourJitter,
  drawAugmentation,
  type HostSample,
  uploadBatch,
  uploadSupervision,
} from './sample.ts';

/** How training sees an image, mirrored every other time: at its own size under colour jitter. */
export type TrainingView = { readonly type: 'jitter' } & ColourJitter;

export interface CimTraining {
  readonly steps: number;
  /** Images whose gradients are summed per step. */
  readonly imagesPerStep: number;
  /** How many of them, of equal size, go through the network together: faster, for more memory. */
  readonly imagesPerPass: number;
  readonly view: TrainingView;
}

/** The original's four losses of one image, in the order they are gathered. */
const lossTerms = ({ clusterLoss, strategy, branches }: CimConfig): LossTerm[] => [
  { name: 'bag', weight: 1 },
  ...(clusterLoss ? [{ name: 'pcl', weight: 1 }] : []),
  ...Array.from({ length: strategy === 'wsddn' ? 0 : branches }, () => [
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

/** An image of a step: its place in it, and how it is seen. */
interface Draw {
  readonly index: number;
  readonly sample: HostSample;
  readonly view: Augmentation;
}

/** Images of one size can share a pass. */
function equalSizes(draws: readonly Draw[], limit: number): Draw[][] {
  const groups: Draw[][] = [];
  for (const draw of draws) {
    const { width, height } = draw.sample.image;
    const fits = ([{ sample }]: Draw[]): boolean => sample.image.width === width && sample.image.height === height;
    const group = groups.find((g) => g.length < limit && fits(g));
    if (group) group.push(draw);
    else groups.push([draw]);
  }
  return groups;
}

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
  const { imagesPerStep, imagesPerPass, view } = options;
  const sequence = new SampleSequence(source, generator.seed);
  const overlaps = new OverlapCache(device);
  const finished = trainLoop({
    ...options,
    device,
    parameters: cim.parameters,
    solver,
    terms,
    work: async (step) => {
      const values = device.empty([imagesPerStep, terms.length]);
      const draws: Draw[] = [];
      for (let i = 0; i < imagesPerStep; i++) {
        const sample = await sequence.at(step * imagesPerStep + i);
        draws.push({ index: i, sample, view: drawAugmentation(generator, view) });
      }
      for (const group of equalSizes(draws, imagesPerPass)) {
        device.scope(() => {
          const tape = new Tape(device);
          const scores = cim.forward(
            tape,
            uploadBatch(
              device,
              group.map((d) => d.sample),
              group.map((d) => d.view),
            ),
          );
          group.forEach(({ index, sample }, i) => {
            const supervision = uploadSupervision(device, sample, overlaps);
            const losses = cim.losses(tape, scores[i], supervision, antiNoiseFor(generator.seed, step, index));
            const { bag, pcl, refinement } = losses;
            gather(device, [bag, ...(pcl ? [pcl] : []), ...refinement], values, index * terms.length);
          });
          tape.backward();
        });
      }
      const images = draws.map(({ sample }) => sample.image.name);
      return { values, images };
    },
  });
  await finished.finally(() => overlaps.dispose());
}
