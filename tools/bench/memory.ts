/** How close the memory that a training step takes is to the least it could take. */
import { lossParts } from '@cim/model/cim';
import { OverlapCache } from '@cim/model/masks/index';
import { createCim } from '@cim/model/recipe/networks';
import type { Recipe } from '@cim/model/recipe/recipe';
import { Solver } from '@cim/model/solver/solver';
import { uploadBatch, uploadSupervision } from '@cim/model/train/sample';
import { type Device, mib, Tape } from '@cim/runtime';
import { madeUpSample, type SampleSize } from '../step/sample.ts';

export interface StepMemory {
  /** Allocations and releases of tensors during the step. */
  readonly events: number;
  /** Bytes of what outlives the step: weights, also with batch norms folded in, gradients, the solver's state. */
  readonly standing: number;
  /** The most bytes that tensors held at once, each at its exact size: no allocator needs less for these lifetimes. */
  readonly lowerBound: number;
  /** The most bytes that the pool had reserved, idle buffers among them. */
  readonly peak: number;
}

/**
 * A recipe's network trains on a made-up image for two steps; the second is observed, when the pool has seen every size.
 * Tensors are allocated and freed as ever, but no kernel runs.
 */
export function measureStepMemory(device: Device, { recipe, ...size }: SampleSize & { recipe: Recipe }): StepMemory {
  const { memory } = device;
  const cim = createCim(device, recipe, size.classes, null);
  const solver = new Solver(device, cim.parameters, recipe.solver);
  const overlaps = new OverlapCache(device);
  const sample = madeUpSample(size);
  const view = { flip: false, targetSize: Math.max(size.width, size.height) };
  const step = (): void => {
    cim.parameters.zeroGrad();
    const tape = new Tape(device);
    const batch = uploadBatch(device, [{ sample, view }]);
    const [scores] = cim.forward(tape, batch, { recompute: recipe.training.recompute });
    const supervision = uploadSupervision(device, sample, overlaps);
    lossParts(cim.losses(tape, scores, supervision, () => ({ seed: 0, counter: 0 })));
    tape.backward();
    solver.step(0);
  };
  device.kernelsOf(step);
  const standing = device.memoryUse.requested;
  let [events, lowerBound, peak] = [0, standing, 0];
  memory.onChange = ({ requested, reserved }) => {
    events++;
    lowerBound = Math.max(lowerBound, requested);
    peak = Math.max(peak, reserved);
  };
  try {
    device.kernelsOf(step);
  } finally {
    memory.onChange = undefined;
  }
  for (const owner of [overlaps, solver, cim.parameters]) owner.dispose();
  return { events, standing, lowerBound, peak };
}

export const memoryLines = ({ events, standing, lowerBound, peak }: StepMemory): string[] => [
  `weights, gradients and the solver's state: ${mib(standing)}`,
  `tensors at most: ${mib(lowerBound)} (${events} allocations and releases)`,
  `reserved at most: ${mib(peak)}`,
  `ratio: ${(peak / lowerBound).toFixed(2)}`,
];
