/** HRNet's forward pass on our kernels. */
import { createBackbone, hrnet } from '@cim/model/backbone/index';
import { ParameterStore } from '@cim/model/nn/parameters';
import type { LazyTensor } from '@cim/model/nn/state-dict';
import { type Device, Tape, type Tensor } from '@cim/runtime';
import { type NetworkProblem, operandValues } from '../problem.ts';
import type { Work } from './contestant.ts';
import { networkTensor } from './hrnet-weights.ts';

export async function hrnetRun(device: Device, { shape }: NetworkProblem): Promise<Omit<Work, 'wait'>> {
  const { name, height, width } = shape;
  const parameters = new ParameterStore(device, null);
  const network = createBackbone(parameters.scope(), hrnet(name));
  const state = [...parameters.tensors].map(([name, { shape }]): [string, LazyTensor] => [
    name,
    { shape, read: async (first = 0, count) => networkTensor(name, shape).subarray(first, count && first + count) },
  ]);
  await parameters.load(new Map(state));
  const image = device.tensor(operandValues('image', 3 * height * width), [1, 3, height, width]);
  const pass = { tape: new Tape(device, { recording: false }), batchStatistics: false };
  let features: Tensor | undefined;
  return {
    run() {
      features?.dispose();
      features = device.scope(() => network.forward(pass, image));
    },
    result: () => device.read(features!),
    dispose() {
      features?.dispose();
      image.dispose();
      parameters.dispose();
    },
  };
}
