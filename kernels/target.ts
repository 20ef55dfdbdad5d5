/** What the kernels of an operation may count on: read from a WebGPU adapter, or made up to look at what it would get. */
export interface Target {
  /** Invocations of every subgroup; 0 on devices without subgroups, or of sizes that vary. */
  readonly subgroupSize: number;
  /** Whether `shader-f16` is enabled. */
  readonly f16: boolean;
  /** Most invocations and bytes of workgroup memory of a workgroup. */
  readonly invocations: number;
  readonly workgroupBytes: number;
  /** Most bytes of one binding: what a scratch tensor may take. */
  readonly maxBinding: number;
}

/** What every WebGPU device has. */
export const PORTABLE: Target = {
  subgroupSize: 0,
  f16: false,
  invocations: 256,
  workgroupBytes: 16384,
  maxBinding: 2 ** 27,
};
