import type { Layer } from '../../wire.ts';

/** Names of the layers; a digit on the keyboard is a layer's place among those that there are. */
export const LAYER_NAMES: Readonly<Record<Layer, string>> = {
  truth: 'Ground truth',
  proposals: 'Proposals',
  peaks: 'Peak responses',
  labels: 'Pseudo labels',
  detections: 'Detections',
};
