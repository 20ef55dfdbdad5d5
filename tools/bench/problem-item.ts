/** Convolutions and matrix products as items, run by the kernels that training would choose. */
import { operationOf } from '@cim/kernels/operations';
import type { Device, Tensor } from '@cim/runtime';
import { type BenchRun, planRun, type TunedItem } from './item.ts';
import { type ConvProblem, operandValues, type ProductProblem, resultShape } from './problem.ts';

export interface ProblemItem extends TunedItem {
  readonly problem: ConvProblem | ProductProblem;
}

export const problemItem = (id: string, title: string, problem: ConvProblem | ProductProblem): ProblemItem => {
  const { flops, operands, plain, candidates } = operationOf(problem)!;
  const elements = Object.values(operands).reduce((sum, size) => sum + size, 0);
  return {
    ...{ id, title, problem, flops, bytes: 4 * elements },
    setup: (device) => problemRun(device, problem),
    candidates: (target) => [...candidates(target)].map(({ name, plan }) => ({ name, plan: plan(plain) })),
    operands: (device) => problemOperands(device, problem),
  };
};

/** Uploads the operands and chooses the kernels. `result` is what they compute. */
export function problemRun(device: Device, problem: ConvProblem | ProductProblem): BenchRun & { result: Tensor } {
  const operation = operationOf(problem)!;
  const tensors = problemOperands(device, problem);
  const { plan } = device.variants.choose(operation);
  return { ...planRun(device, plan(operation.plain), tensors), result: tensors[operation.output] };
}

function problemOperands(device: Device, problem: ConvProblem | ProductProblem): Record<string, Tensor> {
  const { operands, factors, output } = operationOf(problem)!;
  const tensors: Record<string, Tensor> = { [output]: device.empty(resultShape(problem)) };
  for (const name of factors) tensors[name] = device.tensor(operandValues(name, operands[name]));
  // Bound, but not read.
  tensors.bias = tensors.residual = tensors[factors[1]];
  return tensors;
}
