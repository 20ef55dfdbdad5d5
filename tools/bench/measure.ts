/** Times work items by turns, so that whatever slows the machine for a while slows all of them. */
import type { Device } from '@cim/runtime';
import { type Quartiles, quartiles, spread } from '@cim/runtime/tune/quartiles';
import { runsPerSample, sample } from '@cim/runtime/tune/timing';
import type { BenchItem, BenchRun } from './item.ts';

export interface MeasureOptions {
  /** Runs are repeated within a sample until it takes this many seconds: what a timer resolves, many times over. */
  readonly sampleSeconds: number;
  /** Done when no item's interquartile range is a larger share of its median. */
  readonly spread: number;
  /** Samples of every item, at least and at most. */
  readonly samples: readonly [least: number, most: number];
  /** After this many seconds of samples no round begins beyond the least. */
  readonly budget: number;
}

export interface Measurement extends Pick<BenchItem, 'id' | 'title' | 'flops' | 'bytes'> {
  readonly kernels: readonly string[];
  /** Seconds to the end of the first run, its kernels compiled if no item before had them. */
  readonly cold: number;
  /** Seconds of one run. */
  readonly seconds: Quartiles;
  readonly samples: number;
  readonly runsPerSample: number;
}

export interface MeasureHooks {
  readonly onCold?: (item: BenchItem) => void;
  /** After each round of samples: how many items spread too far, or have too few. */
  readonly onRound?: (spreading: number) => void;
}

interface Candidate {
  readonly item: BenchItem;
  readonly work: BenchRun;
  readonly cold: number;
  readonly runs: number;
  readonly seconds: number[];
}

/** What the times are: of kernels alone where the adapter has timestamps, else until the submitted work is done. */
export const timingOf = (device: Device): 'GPU timestamps' | 'wall time' =>
  device.tracer ? 'GPU timestamps' : 'wall time';

/** @throws what goes wrong on the device, when an item is set up or run. */
export async function measureItems(
  device: Device,
  items: readonly BenchItem[],
  options: MeasureOptions,
  hooks: MeasureHooks = {},
): Promise<Measurement[]> {
  const candidates: Candidate[] = [];
  try {
    for (const item of items) {
      const work = item.setup(device);
      // Uploads are no part of the first run.
      await device.finish();
      candidates.push({ item, work, ...(await warmUp(device, work, options.sampleSeconds)), seconds: [] });
      hooks.onCold?.(item);
    }
    await takeSamples(device, candidates, options, hooks);
    return candidates.map(({ item: { id, title, flops, bytes }, work: { kernels }, cold, runs, seconds }) => ({
      ...{ id, title, flops, bytes, kernels, cold },
      seconds: quartiles(seconds),
      samples: seconds.length,
      runsPerSample: runs,
    }));
  } finally {
    for (const { work } of candidates) work.dispose();
  }
}

async function warmUp(device: Device, work: BenchRun, least: number): Promise<Pick<Candidate, 'cold' | 'runs'>> {
  const begin = performance.now();
  work.run();
  await device.finish();
  const cold = (performance.now() - begin) / 1000;
  await device.tracer?.settled();
  return { cold, runs: await runsPerSample(device, () => work.run(), least) };
}

async function takeSamples(
  device: Device,
  candidates: readonly Candidate[],
  { samples: [least, most], spread: enough, budget }: MeasureOptions,
  { onRound }: MeasureHooks,
): Promise<void> {
  const begin = performance.now();
  for (let round = 1; round <= most; round++) {
    for (const { work, runs, seconds } of candidates) seconds.push(await sample(device, () => work.run(), runs));
    const spreading = candidates.filter(({ seconds }) => round < least || spread(quartiles(seconds)) > enough).length;
    onRound?.(spreading);
    if (spreading === 0 || (round >= least && performance.now() - begin >= 1000 * budget)) return;
  }
}
