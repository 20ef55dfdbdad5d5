import type { Plan } from '@cim/kernels/plan';
import type { Device } from './device.ts';
import type { Tensor } from './tensor.ts';

/** Records the kernels of a plan; scratch tensors live as long as it runs. */
export function runPlan(device: Device, plan: Plan, operands: Readonly<Record<string, Tensor>>): void {
  const scratch: Record<string, Tensor> = {};
  for (const name in plan.scratch) scratch[name] = device.empty([plan.scratch[name]]);
  for (const name in plan.words) scratch[name] = device.empty([plan.words[name]], 'u32');
  for (const { kernel, tensors } of plan.steps) {
    const bound: Record<string, Tensor> = {};
    for (const binding in tensors) bound[binding] = scratch[tensors[binding]] ?? operands[tensors[binding]];
    device.run(kernel, bound);
  }
  for (const name in scratch) scratch[name].dispose();
}
