import { type Device, type Generator, philox, Tape } from '@cim/runtime';
import type { Solver } from '../solver/solver.ts';
import { type LoopOptions, trainLoop } from '../train/loop.ts';
import { SampleSequence, type SampleSource } from '../train/order.ts';
import type { HostImage } from '../train/sample.ts';
import type { ImageNetClassifier } from './imagenet.ts';
import { cropView, drawCrop, networkInput } from './imagenet-input.ts';

/** An image of any size and its class index. */
export interface ImageNetSample {
  /** RGB, of any size. */
  readonly image: HostImage;
  /** From 0. */
  readonly label: number;
}

/** How long a backbone is pre-trained, and on what views. */
export interface ImageNetTraining {
  /** Updates in all. */
  readonly steps: number;
  /** Images of a step. */
  readonly batch: number;
  /** Side of the square the network sees, pixels: 224. */
  readonly imageSize: number;
}

/** Keyed by step and layer, so that they do not depend on what else a run draws. */
const dropoutSeeds =
  (seed: number, step: number) =>
  (layer: number): number =>
    philox(seed, step, DROPOUT_STREAM + layer)[0];
const DROPOUT_STREAM = 2;

/** Trains on random crops, half of them mirrored, with the mean cross entropy of every batch (tools/train.py of HRNet). */
export async function trainImageNet(
  device: Device,
  classifier: ImageNetClassifier,
  solver: Solver,
  source: SampleSource<ImageNetSample>,
  generator: Generator,
  options: ImageNetTraining & Pick<LoopOptions, 'start' | 'onStep' | 'savesAt'>,
): Promise<void> {
  const { batch, imageSize } = options;
  const sequence = new SampleSequence(source, generator.seed);
  await trainLoop({
    ...options,
    device,
    parameters: classifier.parameters,
    solver,
    terms: [{ name: 'crossEntropy', weight: 1 / batch }],
    work: async (step) => {
      const samples: ImageNetSample[] = [];
      for (let i = 0; i < batch; i++) samples.push(await sequence.at(step * batch + i));
      const views = samples.map(({ image }) => {
        const crop = drawCrop(generator, image);
        return cropView(image, crop, { size: imageSize, flip: generator.uniform() < 0.5 });
      });
      const values = device.scope(() => {
        const tape = new Tape(device);
        const images = device.tensor(networkInput(views), [batch, 3, imageSize, imageSize]);
        const labels = device.tensor(Uint32Array.from(samples, ({ label }) => label));
        const { losses } = classifier.loss(tape, images, labels, dropoutSeeds(generator.seed, step));
        tape.backward();
        return losses;
      });
      return { values, images: samples.map(({ image }) => image.name) };
    },
  });
}
