/** All operations of a recipe that several kernels can run, found without running any. */
import type { Operation } from '@cim/kernels/operation';
import type { Device } from '@cim/runtime';
import {
  type RecipeSizes,
  rehearseClassifier,
  rehearseClassifierTraining,
  rehearseNetwork,
} from '../pipeline/rehearse.ts';

/** Calls of operations of one class. */
export interface FoundOperation {
  /** Of the first shape met, which is tuned for all. */
  readonly operation: Operation;
  calls: number;
}

/**
 * Traces a training step and the inference of an image, of the network and of the classifier before it, on made-up
 * data. Most work first.
 */
export function operationsOf(device: Device, options: RecipeSizes): FoundOperation[] {
  const found = new Map<string, FoundOperation>();
  const { variants } = device;
  variants.observer = ({ operation }) => {
    const known = found.get(operation.key);
    if (known) known.calls++;
    else found.set(operation.key, { operation, calls: 1 });
  };
  try {
    device.kernelsOf(() => {
      rehearseNetwork(device, options);
      rehearseClassifierTraining(device, options);
      rehearseClassifier(device, options);
    });
  } finally {
    variants.observer = undefined;
  }
  return [...found.values()].sort((a, b) => b.operation.flops * b.calls - a.operation.flops * a.calls);
}
