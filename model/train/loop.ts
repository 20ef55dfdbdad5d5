import { countNonFinite, partialSums } from '@cim/kernels';
import { type Device, type KernelTotal, ReportedError, type Tensor } from '@cim/runtime';
import type { ParameterStore } from '../nn/parameters.ts';
import type { Solver } from '../solver/solver.ts';
import type { LossTerm } from './loss-terms.ts';

/** A loss or gradient that is NaN or infinite. The message holds every part of the loss and the images of the step. */
export class NonFiniteLossError extends ReportedError {}

/** What the recorded work of a step leaves to be read once the GPU is done with it. */
export interface StepWork {
  /** [images, terms] on the device; the loop disposes it. */
  readonly values: Tensor;
  /** File names of the step's images. */
  readonly images: readonly string[];
}

/** What a step came to. */
export interface StepReport {
  /** From 0. */
  readonly step: number;
  /** Its learning rate. */
  readonly lr: number;
  /** Loss terms summed over the images of the step, and their `total`. */
  readonly losses: Readonly<Record<string, number>>;
  /** How many images it took. */
  readonly images: number;
  /** Times of its kernels, where they were asked for and the adapter tells. */
  readonly kernels?: readonly KernelTotal[];
}

/** What {@link trainLoop} trains, and what it tells. */
export interface LoopOptions {
  /** Where everything is. */
  readonly device: Device;
  /** Get gradients. */
  readonly parameters: ParameterStore;
  /** Makes updates of them. */
  readonly solver: Solver;
  /** The first step to do: 0 unless resumed. */
  readonly start: number;
  /** Steps in all, those before `start` included. */
  readonly steps: number;
  /** What the columns of `StepWork.values` are. */
  readonly terms: readonly LossTerm[];
  /** Records forward and backward passes of a step; may await data, not the GPU. */
  readonly work: (step: number) => Promise<StepWork>;
  /** Called in order, once a step's losses are known to be finite. */
  readonly onStep: (report: StepReport) => Promise<void>;
  /** Whether `onStep` saves the state of this very step, so that no later one may have begun. */
  readonly savesAt: (step: number) => boolean;
  /** Whether the kernels of this step are timed, which takes a little longer. Default: of none. */
  readonly profilesAt?: (step: number) => boolean;
}

/** Steps whose losses may still be unread while the host records on. */
const RUN_AHEAD = 2;

/**
 * Gradient descent: clear, accumulate over the step's images, update. The host records ahead of the GPU.
 *
 * @throws NonFiniteLossError when a loss or gradient is NaN or infinite.
 */
export async function trainLoop(options: LoopOptions): Promise<void> {
  const { device, parameters, solver, steps, terms, work, onStep, savesAt, profilesAt } = options;
  const pending: PendingStep[] = [];
  const settle = async (): Promise<void> => {
    const { step, lr, images, read, timed } = pending.shift()!;
    const losses = finiteLosses(step, terms, await read, images);
    const kernels = await timed;
    await onStep({ step, lr, losses, images: images.length, ...(kernels ? { kernels } : {}) });
  };
  for (let step = options.start; step < steps; step++) {
    const profiled = profilesAt?.(step) ? device.profile() : null;
    parameters.zeroGrad();
    const { values, images } = await work(step);
    const bad = badGradients(device, parameters);
    solver.step(step);
    const read = readAndDispose(device, values, bad);
    // A failure surfaces when the step is settled, in order; until then it must not count as unhandled.
    read.catch(() => {});
    const timed = profiled?.();
    timed?.catch(() => {});
    pending.push({ step, lr: solver.lr, images, read, timed });
    const allowed = savesAt(step) || step === steps - 1 ? 0 : RUN_AHEAD;
    while (pending.length > allowed) await settle();
  }
}

/** A step that is recorded, and what it leaves. */
interface PendingStep extends Pick<StepReport, 'step' | 'lr'> {
  readonly images: readonly string[];
  readonly read: Promise<StepValues>;
  readonly timed?: Promise<readonly KernelTotal[]>;
}

interface StepValues {
  /** [images, terms] */
  readonly values: ArrayLike<number>;
  /** Gradient elements that are not finite, counted in parts. */
  readonly bad: ArrayLike<number>;
}

async function readAndDispose(device: Device, values: Tensor, bad: Tensor): Promise<StepValues> {
  try {
    const [v, b] = await Promise.all([device.read(values), device.read(bad)]);
    return { values: v, bad: b };
  } finally {
    values.dispose();
    bad.dispose();
  }
}

/** Counts what must not reach a checkpoint. Losses alone do not tell: their clamps turn NaN into numbers. */
export function badGradients(device: Device, { arenas }: ParameterStore): Tensor {
  const shares = arenas.map(({ used }) => partialSums(used / 4));
  const counts = device.empty([shares.reduce((a, b) => a + b, 0)]);
  let offset = 0;
  arenas.forEach(({ gradients, used }, i) => {
    device.run(countNonFinite({ n: used / 4, partials: shares[i], offset }), { x: gradients, counts });
    offset += shares[i];
  });
  return counts;
}

function finiteLosses(
  step: number,
  terms: readonly LossTerm[],
  { values, bad }: StepValues,
  images: readonly string[],
): Record<string, number> {
  const losses: Record<string, number> = { total: 0 };
  for (let i = 0; i < values.length; i++) {
    const { name, weight } = terms[i % terms.length];
    const value = weight * values[i];
    losses[name] = (losses[name] ?? 0) + value;
    losses.total += value;
  }
  const badCount = Array.from(bad).reduce((a, b) => a + b, 0);
  if (badCount > 0 || !Object.values(losses).every(Number.isFinite)) {
    const parts = images.map((image, row) => {
      const own = terms.map(({ name }, column) => `${name} ${values[row * terms.length + column]}`);
      return `${image}: ${own.join(', ')}`;
    });
    throw new NonFiniteLossError(
      `Step ${step} is not finite: ${badCount} gradients are NaN or infinite. Losses: ${parts.join('; ')}.`,
      'Lower the learning rate or clip gradients, then resume from the last checkpoint, which was kept.',
    );
  }
  return losses;
}
