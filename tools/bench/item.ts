import type { Plan } from '@cim/kernels/plan';
import type { Target } from '@cim/kernels/target';
import type { Device, Tensor } from '@cim/runtime';
import { runPlan } from '@cim/runtime/plan';

/** A piece of work whose time is measured. */
export interface BenchItem {
  /** Parts with dots between them: `a.forward`. */
  readonly id: string;
  readonly title: string;
  /** Floating point operations of a run, a multiply-add counts 2; 0 for what computes with integers. */
  readonly flops: number;
  /** Bytes that a run must move at least: every input read once, every output written once. */
  readonly bytes: number;
  /** Makes inputs and outputs on the device. */
  setup(device: Device): BenchRun;
}

/** An item that several kernels can run. */
export interface TunedItem extends BenchItem {
  /** The heuristic's choice first. */
  candidates(target: Target): Iterable<{ readonly name: string; readonly plan: Plan }>;
  /** Inputs and outputs of the plans. */
  operands(device: Device): Record<string, Tensor>;
}

export interface BenchRun {
  /** Names of the kernels of a run, in their order. */
  readonly kernels: readonly string[];
  /** Records the kernels once. */
  run(): void;
  dispose(): void;
}

/** A plan on tensors that belong to the run. */
export const planRun = (device: Device, plan: Plan, operands: Readonly<Record<string, Tensor>>): BenchRun => ({
  kernels: plan.steps.map(({ kernel }) => kernel.name),
  run: () => runPlan(device, plan, operands),
  dispose: () => Object.values(operands).forEach((tensor) => tensor.dispose()),
});
