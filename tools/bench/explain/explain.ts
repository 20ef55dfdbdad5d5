/** What limits each kernel that could run an item: traffic, arithmetic, and the room it takes on a core. */
import type { Kernel } from '@cim/kernels/kernel';
import type { Plan } from '@cim/kernels/plan';
import type { Target } from '@cim/kernels/target';
import type { Device } from '@cim/runtime';
import type { TunedItem } from '../item.ts';
import { countTraffic, type Traffic } from './count-traffic.ts';
import { type Footprint, type Occupancy, occupancy } from './occupancy.ts';
import type { GpuProfile } from './profiles.ts';
import { invocations, registers, workgroupBytes } from './text.ts';

export interface ExplainedVariant extends Traffic, Footprint {
  readonly name: string;
  /** Subgroups that the kernel is written for, 0: any. */
  readonly subgroupSize: number;
  /** By profile; null where a workgroup does not fit, or subgroups have another size. */
  readonly occupancy: Readonly<Record<string, Occupancy | null>>;
}

/** What no kernel can be faster than. */
export interface Bound {
  readonly seconds: number;
  readonly limit: 'arithmetic' | 'memory';
}

export interface Explanation {
  readonly id: string;
  readonly title: string;
  readonly flops: number;
  /** Every input read once, every output written once. */
  readonly bytes: number;
  readonly bounds: Readonly<Record<string, Bound>>;
  readonly variants: readonly ExplainedVariant[];
}

export const boundOf = ({ flops, bytes }: Pick<TunedItem, 'flops' | 'bytes'>, profile: GpuProfile): Bound => {
  const arithmetic = flops / profile.flops;
  const memory = bytes / profile.bandwidth;
  return { seconds: Math.max(arithmetic, memory), limit: arithmetic > memory ? 'arithmetic' : 'memory' };
};

/** Of most GPUs. */
const HARDWARE_SUBGROUP = 32;

/** Counts by running on the device: of the kernels that need subgroups, those for its size. */
export async function explain(
  device: Device,
  item: TunedItem,
  profiles: readonly GpuProfile[],
  onVariant: (name: string) => void = () => {},
): Promise<Explanation> {
  const operands = item.operands(device);
  const variants: ExplainedVariant[] = [];
  try {
    for (const { name, plan } of runnable(item, device.target)) {
      const traffic = await countTraffic(device, plan, operands);
      const kernel = mainKernel(plan.steps.map((step) => step.kernel));
      const { wgsl, requires } = kernel;
      const footprint = {
        registers: registers(wgsl),
        workgroupBytes: workgroupBytes(wgsl),
        invocations: invocations(wgsl),
      };
      const subgroupSize = requires.subgroupSize ?? 0;
      const rooms = profiles.map((profile): [string, Occupancy | null] => [
        profile.name,
        subgroupSize > 0 && subgroupSize !== profile.wave ? null : occupancy(profile, footprint),
      ]);
      variants.push({ name, ...traffic, ...footprint, subgroupSize, occupancy: Object.fromEntries(rooms) });
      onVariant(name);
    }
  } finally {
    for (const tensor of new Set(Object.values(operands))) tensor.dispose();
  }
  const { id, title, flops, bytes } = item;
  const bounds = Object.fromEntries(profiles.map((profile) => [profile.name, boundOf(item, profile)]));
  return { id, title, flops, bytes, bounds, variants };
}

/** What training would choose from here, then what hardware would that this device can run too. */
function runnable(item: TunedItem, here: Target): { readonly name: string; readonly plan: Plan }[] {
  const found = new Map<string, Plan>();
  for (const target of [here, { ...here, subgroupSize: 0 }, { ...here, subgroupSize: HARDWARE_SUBGROUP }]) {
    for (const { name, plan } of item.candidates(target)) {
      const runs = plan.steps.every(
        ({ kernel: { requires } }) => !requires.subgroupSize || requires.subgroupSize === here.subgroupSize,
      );
      if (runs && !found.has(name)) found.set(name, plan);
    }
  }
  return [...found].map(([name, plan]) => ({ name, plan }));
}

/** The one that computes most. */
const mainKernel = (kernels: readonly Kernel[]): Kernel =>
  kernels.reduce((most, kernel) => (kernel.flops > most.flops ? kernel : most));
