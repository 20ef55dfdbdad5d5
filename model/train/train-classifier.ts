import { axpy } from '@cim/kernels';
import { type Device, type Generator, Tape, type Tensor } from '@cim/runtime';
import type { Classifier } from '../classify/classifier.ts';
import type { Solver } from '../solver/solver.ts';
import { type LoopOptions, trainLoop } from './loop.ts';
import { SampleSequence, type SampleSource } from './order.ts';
import { type ColourJitter, drawAugmentation, type HostImage, stack, uploadImage } from './sample.ts';

/** An image of the batch size's canvas and its labels, [C] of 0 or 1. */
export interface LabelledImage {
  /** Of the canvas' size. */
  readonly image: HostImage;
  /** [C], 0 or 1. */
  readonly labels: Float32Array;
}

/** How the classifier trains. */
export interface ClassifierTraining {
  /** Updates in all. */
  readonly steps: number;
  /** Images of a step. */
  readonly batch: number;
  /** How many of the batch go through the network together: more are faster, fewer take less memory. */
  readonly imagesPerPass: number;
  /** Batch norm takes the statistics of each pass, or the running ones that came with the weights. */
  readonly statistics: 'batch' | 'running';
  /** Of colours. */
  readonly jitter: ColourJitter;
  /** Random scale within ±scale and shifts within ±shift of the size, borders reflected. */
  readonly geometry: { readonly scale: number; readonly shift: number };
}

/** Trains on image labels. All images of the source must have one size. */
export async function trainClassifier(
  device: Device,
  classifier: Classifier,
  solver: Solver,
  source: SampleSource<LabelledImage>,
  generator: Generator,
  options: ClassifierTraining & Pick<LoopOptions, 'start' | 'onStep' | 'savesAt'>,
): Promise<void> {
  const { batch, imagesPerPass, jitter, geometry } = options;
  const batchStatistics = options.statistics === 'batch';
  const { classes } = classifier.config;
  const sequence = new SampleSequence(source, generator.seed);
  /** Adds the gradients of some images of the batch, and their share of the loss to `total`, [1]. */
  const pass = (samples: readonly LabelledImage[], total: Tensor): void =>
    device.scope(() => {
      const tape = new Tape(device);
      const images = stack(
        device,
        samples.map(({ image }) => uploadImage(device, image, drawAugmentation(generator, jitter, geometry))),
      );
      const targets = device.tensor(
        samples.flatMap(({ labels }) => [...labels]),
        [samples.length, classes],
      );
      const weight = samples.length / batch;
      const { loss } = classifier.loss(tape, images, targets, { batchStatistics, weight });
      tape.backward();
      device.run(axpy({ n: 1, a: weight, accumulate: true }), { x: loss, y: total });
    });
  await trainLoop({
    ...options,
    device,
    parameters: classifier.parameters,
    solver,
    terms: [{ name: 'classification', weight: 1 }],
    work: async (step) => {
      const samples: LabelledImage[] = [];
      for (let i = 0; i < batch; i++) samples.push(await sequence.at(step * batch + i));
      const values = device.scope(() => {
        const total = device.zeros([1]);
        for (let i = 0; i < batch; i += imagesPerPass) pass(samples.slice(i, i + imagesPerPass), total);
        return total;
      });
      return { values, images: samples.map(({ image }) => image.name) };
    },
  });
}
