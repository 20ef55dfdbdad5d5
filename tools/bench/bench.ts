import type { AdapterDescription, Device } from '@cim/runtime';
import type { BenchItem } from './item.ts';
import { type MeasureHooks, type Measurement, type MeasureOptions, measureItems, timingOf } from './measure.ts';
import { fastestMultiplyAdds, type Roofline, type RooflineSize, rooflineItems, rooflineOf } from './roofline.ts';

/** What `--json` writes. Times in seconds, rates a second. */
export interface BenchResult {
  readonly adapter: AdapterDescription;
  readonly timing: ReturnType<typeof timingOf>;
  readonly roofline: Roofline;
  readonly items: readonly Measurement[];
}

export const FULL: MeasureOptions = { sampleSeconds: 0.02, spread: 0.03, samples: [5, 30], budget: 120 };
export const QUICK: MeasureOptions = { sampleSeconds: 0.01, spread: 0.05, samples: [3, 10], budget: 20 };

/** Measures the items and the adapter's limits by turns: a steady load of the machine slows both. */
export async function bench(
  device: Device,
  items: readonly BenchItem[],
  size: RooflineSize,
  options: MeasureOptions,
  hooks: MeasureHooks = {},
): Promise<BenchResult> {
  const limits = rooflineItems(await fastestMultiplyAdds(device, size), size);
  const measurements = await measureItems(device, [...limits, ...items], options, hooks);
  const roofline = await rooflineOf(device, measurements.slice(0, limits.length));
  return { adapter: device.adapter, timing: timingOf(device), roofline, items: measurements.slice(limits.length) };
}
