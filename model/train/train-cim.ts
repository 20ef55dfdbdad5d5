import { type Device, type Generator, philox, Tape } from '@cim/runtime';
import { type Cim, lossParts, lossTerms } from '../cim.ts';
import { OverlapCache } from '../masks/index.ts';
import type { AntiNoise } from '../mining/index.ts';
import type { Solver } from '../solver/solver.ts';
import { type LoopOptions, trainLoop } from './loop.ts';
import { gather } from './loss-terms.ts';
import { SampleSequence, type SampleSource } from './order.ts';
import {
  type Augmentation,
  type ColourJitter,
  drawAugmentation,
  type HostSample,
  type ScaledView,
  uploadBatch,
  uploadSupervision,
} from './sample.ts';

/**
 * How training sees an image, mirrored every other time: at its own size under colour jitter, or resized to a longer
 * side drawn from `sizes`, pixels, as in the original.
 */
export type TrainingView =
  | ({ readonly type: 'jitter' } & ColourJitter)
  | { readonly type: 'resize'; readonly sizes: readonly number[] };

/** How long the network trains, on how many images at a time, and in which views. */
export interface CimTraining {
  /** Updates in all. */
  readonly steps: number;
  /** Images whose gradients are summed per step. */
  readonly imagesPerStep: number;
  /** How many of them, of equal size, go through the network together: faster, for more memory. */
  readonly imagesPerPass: number;
  /** Less memory for more time: parts of the backbone run again in the backward pass. */
  readonly recompute?: boolean;
  /** How an image is seen. */
  readonly view: TrainingView;
}

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
  readonly view: Augmentation | ScaledView;
}

function drawView(generator: Generator, view: TrainingView): Draw['view'] {
  if (view.type === 'jitter') return drawAugmentation(generator, view);
  const flip = generator.uniform() < 0.5;
  return { flip, targetSize: view.sizes[generator.integer(view.sizes.length)] };
}

/** Images of one size, there and in the network, can share a pass. */
function equalSizes(draws: readonly Draw[], limit: number): Draw[][] {
  const sizeOf = ({ sample: { image }, view }: Draw): string =>
    `${image.width}×${image.height} at ${'targetSize' in view ? view.targetSize : 1}`;
  const groups: Draw[][] = [];
  for (const draw of draws) {
    const group = groups.find((g) => g.length < limit && sizeOf(g[0]) === sizeOf(draw));
    if (group) group.push(draw);
    else groups.push([draw]);
  }
  return groups;
}

/**
 * Trains on image labels. Flips and jitter come from `generator`, whose state is part of a checkpoint.
 *
 * @example
 * ```ts
 * import { Cim } from '@cim/model/cim';
 * import { imageProposals } from '@cim/model/infer/image-proposals';
 * import { proposeMasks } from '@cim/model/proposals/proposals';
 * import { presets } from '@cim/model/recipe/presets';
 * import { Solver } from '@cim/model/solver/solver';
 * import { trainCim } from '@cim/model/train/train-cim';
 * import { Device, Generator } from '@cim/runtime';
 *
 * const device = await Device.open();
 * const generator = new Generator(1);
 * const image = { name: 'noise', width: 64, height: 48, rgb: Uint8Array.from({ length: 9216 }, () => generator.integer(256)) };
 * const found = await proposeMasks(device, image, { superpixels: 24, limit: 10 });
 * const proposals = imageProposals(found, { original: image }).network;
 * const sample = {
 *   image,
 *   proposals,
 *   labels: Float32Array.of(1, 0), // it shows the first of two classes
 *   clusters: new Float32Array(proposals.masks.count * 3), // no clusters were assigned
 * };
 * const { cim: config, backbone, solver, training } = presets.small;
 * const cim = new Cim(device, { ...config, backbone, classes: 2 }, generator);
 * const source = { count: 1, load: async () => sample };
 * await trainCim(device, cim, new Solver(device, cim.parameters, solver), source, generator, {
 *   ...training,
 *   start: 0,
 *   steps: 1,
 *   imagesPerStep: 1,
 *   onStep: async ({ step, losses }) => console.log(step, losses.total > 0), // → 0 true
 *   savesAt: () => false,
 * });
 * await device.close();
 * ```
 */
export async function trainCim(
  device: Device,
  cim: Cim,
  solver: Solver,
  source: SampleSource<HostSample>,
  generator: Generator,
  options: CimTraining & Pick<LoopOptions, 'start' | 'onStep' | 'savesAt'>,
): Promise<void> {
  const terms = lossTerms(cim.config);
  const { imagesPerStep, imagesPerPass, recompute, view } = options;
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
        draws.push({ index: i, sample, view: drawView(generator, view) });
      }
      for (const group of equalSizes(draws, imagesPerPass)) {
        device.scope(() => {
          const tape = new Tape(device);
          const scores = cim.forward(tape, uploadBatch(device, group), { recompute });
          group.forEach(({ index, sample }, i) => {
            const supervision = uploadSupervision(device, sample, overlaps);
            const losses = cim.losses(tape, scores[i], supervision, antiNoiseFor(generator.seed, step, index));
            gather(device, lossParts(losses), values, index * terms.length);
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
