/** How many invocations of a kernel a core keeps at once, and what keeps it from more. */
import type { GpuProfile } from './profiles.ts';

/** What an invocation, or a workgroup, takes. */
export interface Footprint {
  readonly registers: number;
  readonly workgroupBytes: number;
  readonly invocations: number;
}

export interface Occupancy {
  /** Of the invocations that a core can keep, the share that it does. */
  readonly share: number;
  readonly limit: 'registers' | 'workgroup memory' | 'threads' | 'workgroups';
  /** More registers than an invocation can have: the rest goes to memory. */
  readonly spills: boolean;
}

const stepUp = (value: number, step: number): number => Math.ceil(value / step) * step;

/** Null: not even one workgroup fits. */
export function occupancy(
  profile: GpuProfile,
  { registers, workgroupBytes, invocations }: Footprint,
): Occupancy | null {
  const { wave, threads, workgroups, memory } = profile;
  const each = Math.min(stepUp(registers, profile.registers.step), profile.registers.most);
  // A wave that is not full takes the room of a full one.
  const occupied = stepUp(invocations, wave);
  const fit: Record<Occupancy['limit'], number> = {
    threads: Math.floor(threads / occupied),
    registers: Math.floor(profile.registers.core / (each * occupied)),
    'workgroup memory': workgroupBytes > 0 ? Math.floor(memory / workgroupBytes) : Infinity,
    workgroups,
  };
  const limits = Object.keys(fit) as Occupancy['limit'][];
  const limit = limits.reduce((least, other) => (fit[other] < fit[least] ? other : least));
  if (fit[limit] === 0) return null;
  const share = (fit[limit] * invocations) / threads;
  return { share, limit, spills: registers > profile.registers.most };
}
