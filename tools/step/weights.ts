import type { BackboneConfig } from '@cim/model/backbone/index';
import type { ParameterStore } from '@cim/model/nn/parameters';
import type { LazyTensor, LoadReport } from '@cim/model/nn/state-dict';
import { deterministicTensor } from '../verify/deterministic.ts';

const SALT = 12345;
/** Gains at which activations keep their size through each backbone, as in the golden files. */
const GAINS: Record<BackboneConfig['type'], number> = { hrnet: 0.55, residual: 0.7, resnet: 0.7, vgg: Math.SQRT2 };

/** Fills a network as the golden files of full-size networks do: by a formula, from nothing but names and shapes. */
export function loadDeterministic(parameters: ParameterStore, backbone: BackboneConfig): Promise<LoadReport> {
  const gain = GAINS[backbone.type];
  const state = [...parameters.tensors].map(([name, { shape, size }], k): [string, LazyTensor] => [
    name,
    {
      shape,
      read: async (first = 0, count = size - first) =>
        deterministicTensor(k, name, shape, SALT, gain, { first, count }),
    },
  ]);
  return parameters.load(new Map(state));
}
