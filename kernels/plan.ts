import type { Kernel } from './kernel.ts';

/** One dispatch of a plan: which operand or scratch tensor each binding takes. */
export interface Step {
  /** What is dispatched. */
  readonly kernel: Kernel;
  /** Operand or scratch tensor by the name of the kernel's binding. */
  readonly tensors: Readonly<Record<string, string>>;
}

/** An operation as a short sequence of kernels with scratch tensors between them. */
export interface Plan {
  /** In the order of dispatch. */
  readonly steps: readonly Step[];
  /** Elements of each f32 scratch tensor. */
  readonly scratch: Readonly<Record<string, number>>;
  /** Elements of each u32 scratch tensor. */
  readonly words?: Readonly<Record<string, number>>;
}

/** A step whose tensor names are checked against the kernel's bindings. */
export const step = <B extends string>(kernel: Kernel<B>, tensors: Readonly<Record<B, string>>): Step => ({
  kernel,
  tensors,
});
