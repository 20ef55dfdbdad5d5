/** How close the memory that a training step takes is to the least it could take. */
import type { Device } from '@cim/runtime';
import { mib } from '@cim/runtime';
import { type StepOptions, trainSteps } from '../step/step.ts';

export interface StepMemory {
  /** Allocations and releases of tensors during the step. */
  readonly events: number;
  /** The most bytes that tensors held at once, each at its exact size: no allocator needs less for these lifetimes. */
  readonly lowerBound: number;
  /** The most bytes that the pool had reserved, idle buffers among them. */
  readonly peak: number;
}

/** A recipe's network trains for two steps; the second is observed, when the pool has seen every size. */
export async function measureStepMemory(
  device: Device,
  options: Omit<StepOptions, 'steps' | 'weights'>,
): Promise<StepMemory> {
  const { memory } = device;
  let [events, lowerBound, peak] = [0, 0, 0];
  memory.onChange = ({ requested, reserved }) => {
    events++;
    lowerBound = Math.max(lowerBound, requested);
    peak = Math.max(peak, reserved);
  };
  const observed: StepMemory[] = [];
  try {
    await trainSteps(
      device,
      { ...options, steps: 2, weights: 'random' },
      {
        onNetwork: () => {},
        onStep: () => {
          observed.push({ events, lowerBound, peak });
          [events, lowerBound, peak] = [0, 0, 0];
        },
      },
    );
  } finally {
    memory.onChange = undefined;
  }
  return observed[1];
}

export const memoryLines = ({ events, lowerBound, peak }: StepMemory): string[] => [
  `tensors at most: ${mib(lowerBound)} (${events} allocations and releases)`,
  `reserved at most: ${mib(peak)}`,
  `ratio: ${(peak / lowerBound).toFixed(2)}`,
];
