/** What is compared: the shapes of `cim bench`, a whole network, and a step of training, which no peer has. */
import { hrnet } from '@cim/model/backbone/index';
import { comparableItems } from '../items.ts';
import { hrnetOnnx } from '../peers/hrnet-onnx.ts';
import type { NetworkProblem, OwnProblem, Problem } from '../problem.ts';

export interface ComparableItem {
  readonly id: string;
  readonly title: string;
  /** Of one run; 0 where nobody counts them. */
  readonly flops: number;
  readonly problem: Problem | OwnProblem;
}

function networkItem(shape: NetworkProblem['shape']): ComparableItem {
  const { name, height, width } = shape;
  const { flops } = hrnetOnnx(hrnet(name), [height, width], () => new Float32Array());
  return {
    id: 'hrnet.forward',
    title: `features of HRNet ${name} on ${height}×${width}`,
    flops,
    problem: { family: 'hrnet', shape },
  };
}

const trainingStep: ComparableItem = {
  id: 'step',
  title: 'training step of the recipe demo on 128×160 with 64 proposals',
  flops: 0,
  problem: { family: 'trainingStep', shape: { preset: 'demo', height: 128, width: 160, proposals: 64, classes: 20 } },
};

export const comparisonItems = ({ quick }: { quick: boolean }): ComparableItem[] => [
  ...comparableItems({ quick }),
  networkItem({ name: 'w48', ...(quick ? { height: 128, width: 160 } : { height: 480, width: 640 }) }),
  trainingStep,
];

/** Whether libraries other than ours are asked. */
export const isShared = (problem: Problem | OwnProblem): problem is Problem =>
  problem.family !== 'trainingStep' && problem.family !== 'multiplyAdd';
