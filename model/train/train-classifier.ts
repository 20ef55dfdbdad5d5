import { type Device, type Generator, Tape } from '@cim/runtime';
import type { Classifier } from '../classify/classifier.ts';
import type { Solver } from '../solver/solver.ts';
import { type LoopOptions, trainLoop } from './loop.ts';
import { SampleSequence, type SampleSource } from './order.ts';
import { type ColourJitter, drawAugmentation, type HostImage, stack, uploadImage } from './sample.ts';

/** An image of the batch size's canvas and its labels, [C] of 0 or 1. */
export interface LabelledImage {
  readonly image: HostImage;
  readonly labels: Float32Array;
}

export interface ClassifierTraining {
  readonly steps: number;
  readonly batch: number;
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
  const { batch, jitter, geometry } = options;
  const { classes } = classifier.config;
  const sequence = new SampleSequence(source, generator.seed);
  await trainLoop({
    ...options,
    device,
    parameters: classifier.parameters,
    solver,
    terms: [{ name: 'classification', weight: 1 }],
    work: async (step) => {
      const samples: LabelledImage[] = [];
      for (let i = 0; i < batch; i++) samples.push(await sequence.at(step * batch + i));
      const targets = new Float32Array(batch * classes);
      samples.forEach(({ labels }, i) => targets.set(labels, i * classes));
      const values = device.scope(() => {
        const tape = new Tape(device);
        const images = stack(
          device,
          samples.map(({ image }) => uploadImage(device, image, drawAugmentation(generator, jitter, geometry))),
        );
        const { loss } = classifier.loss(tape, images, device.tensor(targets, [batch, classes]));
        tape.backward();
        return loss;
      });
      return { values, images: samples.map(({ image }) => image.name) };
    },
  });
}
