/** Operations that several kernels can run: what one of the ways is, and what estimates compare them by. */
import type { Plan } from './plan.ts';

/** One way to run an operation on given shapes; `plan` takes what follows the computation. */
export interface Candidate<Options> {
  /** `family.variant[.sizes]`, the same for all shapes: `conv.forward.lanes.8x8x1`. */
  readonly name: string;
  /** The kernels to run, in order, for what should follow the computation. */
  plan(options: Options): Plan;
}

/** On wider subgroups, hardware's, workgroup memory is expected to win. */
const WIDEST_LANES = 16;
/** Whether variants with a lane a channel or column run on subgroups of this size; 0 is a device without. */
export const hasLanes = (subgroupSize: number): boolean => subgroupSize > 0 && subgroupSize <= WIDEST_LANES;

/** What a load of a subgroup costs in multiply-adds, measured on software GPUs. */
export const LOAD = 20;
/** A load or store between kernels of a plan: what one core has written another reads. */
export const MOVE = 1.6 * LOAD;
/** What each kernel of a plan beyond the first costs, on software GPUs: all threads wait and are woken again. */
export const DISPATCH = 1e6;

/** A candidate with the work it is expected to be, in multiply-adds of a subgroup: about as many ns on a software GPU. */
export interface Estimate<Options> extends Candidate<Options> {
  /** Expected multiply-adds of a subgroup. Only compared with that of other candidates for the same shape. */
  readonly work: number;
}

/** Least work first; what is estimated as infinite does not fit and is left out. */
export const byWork = <T extends { readonly work: number }>(estimates: readonly T[]): T[] =>
  estimates.filter(({ work }) => work < Infinity).sort((a, b) => a.work - b.work);
