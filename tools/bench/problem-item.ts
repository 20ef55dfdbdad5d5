/** Convolutions and matrix products as items, run by the kernels that training would choose. */
import { operationOf } from '@cim/kernels/operations';
import type { Device, Tensor } from '@cim/runtime';
import { type BenchItem, type BenchRun, planRun } from './item.ts';
import { type ConvProblem, operandValues, type ProductProblem, resultShape } from './problem.ts';

export interface ProblemItem extends BenchItem {
  readonly problem: ConvProblem | ProductProblem;
}

export const problemItem = (id: string, title: string, problem: ConvProblem | ProductProblem): ProblemItem => {
  const { flops, operands } = operationOf(problem)!;
  const elements = Object.values(operands).reduce((sum, size) => sum + size, 0);
  return { id, title, problem, flops, bytes: 4 * elements, setup: (device) => problemRun(device, problem) };
};

/** Uploads the operands and chooses the kernels. `result` is what they compute. */
export function problemRun(device: Device, problem: ConvProblem | ProductProblem): BenchRun & { result: Tensor } {
  const operation = operationOf(problem)!;
  const { operands, factors, output } = operation;
  const tensors: Record<string, Tensor> = { [output]: device.empty(resultShape(problem)) };
  for (const name of factors) tensors[name] = device.tensor(operandValues(name, operands[name]));
  // Bound, but not read.
  tensors.bias = tensors.residual = tensors[factors[1]];
  const { plan } = device.variants.choose(operation);
  return { ...planRun(device, plan(operation.plain), tensors), result: tensors[output] };
}
