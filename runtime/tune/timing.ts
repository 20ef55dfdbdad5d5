/** How long recorded work takes the GPU. */
import type { Device } from '../device.ts';

/** Runs within a sample, at most. */
const MAX_RUNS = 256;

/** How many runs a sample needs to take `least` seconds: what a timer resolves, many times over. */
export async function runsPerSample(device: Device, run: () => void, least: number): Promise<number> {
  let runs = 1;
  while (runs < MAX_RUNS && runs * (await sample(device, run, runs)) < least) runs *= 2;
  return runs;
}

/** Seconds of one run, the mean of `runs`: by GPU timestamps where they are traced, else until the work is done. */
export async function sample(device: Device, run: () => void, runs: number): Promise<number> {
  const { tracer } = device;
  const first = tracer?.kernels.length;
  const start = performance.now();
  for (let i = 0; i < runs; i++) run();
  await device.finish();
  const wall = (performance.now() - start) / 1000;
  if (!tracer) return wall / runs;
  await tracer.settled();
  const nanoseconds = tracer.kernels.slice(first).reduce((sum, { begin, end }) => sum + end - begin, 0);
  return nanoseconds / 1e9 / runs;
}
