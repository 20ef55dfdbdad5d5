import { type Device, ReportedError, type Tensor } from '@cim/runtime';
import type { ParameterStore } from '../nn/parameters.ts';
import type { Solver } from '../solver/solver.ts';
import type { LossTerm } from './loss-terms.ts';

/** A loss that is NaN or infinite. The message holds every part of it and the images of the step. */
export class NonFiniteLossError extends ReportedError {}

/** What the recorded work of a step leaves to be read once the GPU is done with it. */
export interface StepWork {
  /** [images, terms] on the device; the loop disposes it. */
  readonly values: Tensor;
  /** File names of the step's images. */
  readonly images: readonly string[];
}

export interface StepReport {
  readonly step: number;
  readonly lr: number;
  /** Loss terms summed over the images of the step, and their `total`. */
  readonly losses: Readonly<Record<string, number>>;
}

export interface LoopOptions {
  readonly device: Device;
  readonly parameters: ParameterStore;
  readonly solver: Solver;
  /** The first step to do (0 unless resumed) and the number of steps in all. */
  readonly start: number;
  readonly steps: number;
  /** What the columns of `StepWork.values` are. */
  readonly terms: readonly LossTerm[];
  /** Records forward and backward passes of a step; may await data, not the GPU. */
  readonly work: (step: number) => Promise<StepWork>;
  /** Called in order, once a step's losses are known to be finite. */
  readonly onStep: (report: StepReport) => Promise<void>;
  /** Whether `onStep` saves the state of this very step, so that no later one may have begun. */
  readonly savesAt: (step: number) => boolean;
}

/** Steps whose losses may still be unread while the host records on. */
const RUN_AHEAD = 2;

/** Gradient descent: clear, accumulate over the step's images, update. The host records ahead of the GPU. */
export async function trainLoop(options: LoopOptions): Promise<void> {
  const { device, parameters, solver, steps, terms, work, onStep, savesAt } = options;
  const pending: { step: number; lr: number; images: readonly string[]; values: Promise<ArrayLike<number>> }[] = [];
  const settle = async (): Promise<void> => {
    const { step, lr, images, values } = pending.shift()!;
    await onStep({ step, lr, losses: finiteLosses(step, terms, await values, images) });
  };
  for (let step = options.start; step < steps; step++) {
    parameters.zeroGrad();
    const { values, images } = await work(step);
    solver.step(step);
    const read = device.read(values).finally(() => values.dispose());
    // A failure surfaces when the step is settled, in order; until then it must not count as unhandled.
    read.catch(() => {});
    pending.push({ step, lr: solver.lr, images, values: read });
    const allowed = savesAt(step) || step === steps - 1 ? 0 : RUN_AHEAD;
    while (pending.length > allowed) await settle();
  }
}

function finiteLosses(
  step: number,
  terms: readonly LossTerm[],
  values: ArrayLike<number>,
  images: readonly string[],
): Record<string, number> {
  const losses: Record<string, number> = { total: 0 };
  for (let i = 0; i < values.length; i++) {
    const { name, weight } = terms[i % terms.length];
    const value = weight * values[i];
    losses[name] = (losses[name] ?? 0) + value;
    losses.total += value;
  }
  if (!Object.values(losses).every(Number.isFinite)) {
    const parts = images.map((image, row) => {
      const own = terms.map(({ name }, column) => `${name} ${values[row * terms.length + column]}`);
      return `${image}: ${own.join(', ')}`;
    });
    throw new NonFiniteLossError(
      `The loss of step ${step} is not finite. ${parts.join('; ')}.`,
      'Lower the learning rate or clip gradients, then resume from the last checkpoint, which was kept.',
    );
  }
  return losses;
}
