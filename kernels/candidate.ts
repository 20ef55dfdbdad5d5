/** Operations that several kernels can run: what one of the ways is, and what estimates compare them by. */
import type { Plan } from './plan.ts';

/** One way to run an operation on given shapes; `plan` takes what follows the computation. */
export interface Candidate<Options> {
  /** `family.variant[.sizes]`, the same for all shapes: `conv.forward.lanes.8x8x1`. */
  readonly name: string;
  plan(options: Options): Plan;
}

/** On wider subgroups, hardware's, workgroup memory is expected to win. */
const WIDEST_LANES = 16;
/** Whether variants with a lane a channel or column run on subgroups of this size; 0 is a device without. */
export const hasLanes = (subgroupSize: number): boolean => subgroupSize > 0 && subgroupSize <= WIDEST_LANES;

/** What a load of a subgroup costs in multiply-adds, measured on software GPUs. */
export const LOAD = 20;

/** Least estimated work first; what is estimated as infinite does not fit and is left out. */
export const byWork = <T>(tiles: readonly T[], work: (tile: T) => number): T[] =>
  tiles
    .map((tile) => ({ tile, work: work(tile) }))
    .filter((estimate) => estimate.work < Infinity)
    .sort((a, b) => a.work - b.work)
    .map(({ tile }) => tile);
