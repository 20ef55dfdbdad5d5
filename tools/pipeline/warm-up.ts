import { type Device, warmUp } from '@cim/runtime';
import {
  type RecipeSizes,
  rehearseClassifier,
  rehearseClassifierTraining,
  rehearseNetwork,
  rehearseProposals,
} from './rehearse.ts';

/** Kernels being made ready in the background. */
export interface WarmUp {
  /** Ends it; what is being compiled is waited for. */
  stop(): Promise<void>;
}

/**
 * Begins to compile the kernels of a recipe in the order that its stages need them, beside whatever `device` does. It only
 * saves time: kernels that are not ready when they are needed are compiled then.
 */
export function warmUpRecipe(device: Device, sizes: RecipeSizes): WarmUp {
  const stop = new AbortController();
  const kernels = device.kernelsOf(() => {
    rehearseClassifierTraining(device, sizes);
    rehearseProposals(device, sizes);
    rehearseClassifier(device, sizes);
    rehearseNetwork(device, sizes);
  });
  const done = warmUp(device, kernels, stop.signal);
  // What fails here fails again, with its reason, where it is needed.
  const settled = done.catch(() => {});
  return {
    stop: () => {
      stop.abort();
      return settled;
    },
  };
}
