import type { Device } from '@cim/runtime';
import { type GpuTestContext, type GpuTestOptions, gpuTests } from '@cim/runtime/testing';
import { rejection } from '../rejection.ts';

type Body<D> = (context: GpuTestContext<D>) => void | Promise<void>;

/** Registers nothing: runs the test at once. */
async function run<D extends Device | GPUDevice = Device>(
  options: GpuTestOptions,
  body: Body<D>,
  openDevice?: () => Promise<D>,
): Promise<void> {
  let registered: Promise<void> | undefined;
  const test = (_: string, start: () => Promise<void>): void => {
    registered = start();
  };
  if (openDevice) gpuTests({ test, openDevice })('a test', options, body);
  else gpuTests({ test })('a test', options, body as Body<Device>);
  await registered;
}

/** Runs the body as a GPU test; it must pass. */
export const passes = run;

/** What the body, run as a GPU test, fails with. @throws when it passes. */
export const failureOf = <D extends Device | GPUDevice = Device>(
  options: GpuTestOptions,
  body: Body<D>,
  openDevice?: () => Promise<D>,
): Promise<Error> => rejection(run(options, body, openDevice));
