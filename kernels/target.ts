/** What the kernels of an operation may count on: read from a WebGPU adapter, or made up to look at what it would get. */
export interface Target {
  /** Invocations of every subgroup; 0 on devices without subgroups, or of sizes that vary. */
  readonly subgroupSize: number;
  /** Whether kernels may round what they multiply to f16: the device can, and its user allows it. Sums stay f32. */
  readonly f16: boolean;
  /** The kinds of subgroup matrices that kernels may use; empty without Dawn's chromium-experimental-subgroup-matrix. */
  readonly subgroupMatrices: readonly SubgroupMatrix[];
  /** Most invocations of a workgroup. */
  readonly invocations: number;
  /** Most bytes of workgroup memory of a workgroup. */
  readonly workgroupBytes: number;
  /** Most bytes of one binding: what a scratch tensor may take. */
  readonly maxBinding: number;
}

/** Subgroup matrices that multiply, m×k by k×n; component types as WGSL calls them. */
export interface SubgroupMatrix {
  /** Type of the elements of both factors, `f16` or `f32`. */
  readonly component: string;
  /** Type of the elements of the sum. */
  readonly result: string;
  /** Rows of the product. */
  readonly m: number;
  /** Columns of the product. */
  readonly n: number;
  /** Columns of the left factor, rows of the right one. */
  readonly k: number;
}

/** What every WebGPU device has. */
export const PORTABLE: Target = {
  subgroupSize: 0,
  f16: false,
  subgroupMatrices: [],
  invocations: 256,
  workgroupBytes: 16384,
  maxBinding: 2 ** 27,
};
