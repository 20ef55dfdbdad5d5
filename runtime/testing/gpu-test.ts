import { Device } from '../device.ts';
import { ReportedError } from '../errors.ts';
import { openTestDevice, SharedDevice, sharedTestDevice } from './device.ts';
import { type Finding, Watch } from './watch.ts';

/** A test left something behind, or the GPU reported an error in it. */
export class SanitizerError extends ReportedError {}

/** What a test must not leave behind; each check is on unless it is switched off, as those of `Deno.test` are. */
export interface GpuTestOptions {
  /** Buffers, textures, query sets and tensors made in the test are destroyed by its end. */
  readonly sanitizeResources?: boolean;
  /** The GPU reports no error outside of error scopes. */
  readonly sanitizeErrors?: boolean;
  /** No buffer is mapped, and no `mapAsync` pending, at the end. */
  readonly sanitizeMaps?: boolean;
  /** Every error scope that was pushed is popped. */
  readonly sanitizeScopes?: boolean;
  /** The test gets a device opened for it alone, which it may destroy. */
  readonly ownDevice?: boolean;
}

/** What a test is given. */
export interface GpuTestContext<D> {
  /** As `openDevice` returns it. */
  readonly device: D;
  /** The same, or what lies under it. */
  readonly gpu: GPUDevice;
  /**
   * Loses the device as a driver crash would: `gpu.lost` resolves with the reason (default `unknown`) and all further work
   * fails. The next test gets another device.
   */
  lose(reason?: GPUDeviceLostReason): Promise<void>;
}

type Body<D> = (context: GpuTestContext<D>) => void | Promise<void>;

/** Registers a test that is given a device. */
export interface GpuTest<D> {
  (name: string, body: Body<D>): void;
  (name: string, options: GpuTestOptions, body: Body<D>): void;
}

/** Anything with `test(name, fn)`: a uvu suite, `Deno.test`, `test` of node:test or vitest; also their `only` and `skip`. */
export interface Surroundings<D> {
  /** Registers a test with the runner. */
  readonly test: (name: string, body: () => Promise<void>) => unknown;
  /** Default: the {@link Device} of `testDevice`. */
  readonly openDevice?: () => Promise<D>;
}

/**
 * Makes the function that registers GPU tests with the runner in use:
 *
 *     const gpuTest = gpuTests({ test: Deno.test });
 *     gpuTest('adds', async ({ gpu }) => …);
 *
 * The tests share a device and run one after another.
 */
export function gpuTests(surroundings: Surroundings<Device>): GpuTest<Device>;
export function gpuTests<D extends Device | GPUDevice>(surroundings: Required<Surroundings<D>>): GpuTest<D>;
export function gpuTests<D extends Device | GPUDevice>({ test, openDevice }: Surroundings<D>): GpuTest<D> {
  const open = openDevice ?? (openTestDevice as () => Promise<D>);
  const shared = openDevice ? new SharedDevice(openDevice) : (sharedTestDevice as unknown as SharedDevice<D>);
  return (name: string, ...rest: [Body<D>] | [GpuTestOptions, Body<D>]): void => {
    const [options, body] = rest.length === 1 ? [{}, rest[0]] : rest;
    test(name, async () => {
      const device = await (options.ownDevice ? open() : shared.get());
      const usable = await runTest(device, options, body);
      if (options.ownDevice) await close(device);
      else if (!usable.device) shared.drop();
      if (usable.error) throw usable.error.thrown;
    });
  };
}

const gpuOf = (device: Device | GPUDevice): GPUDevice => (device instanceof Device ? device.gpu : device);

async function close(device: Device | GPUDevice): Promise<void> {
  if (device instanceof Device) await device.close().catch(() => {});
  else device.destroy();
}

/** Whether the device is still good for other tests, and what the test failed with. */
interface Outcome {
  readonly device: boolean;
  readonly error?: { readonly thrown: unknown };
}

async function runTest<D extends Device | GPUDevice>(
  device: D,
  options: GpuTestOptions,
  body: Body<D>,
): Promise<Outcome> {
  const gpu = gpuOf(device);
  const watch = new Watch(gpu, device instanceof Device ? device : undefined);
  let failure: { readonly thrown: unknown } | undefined;
  try {
    await body({ device, gpu, lose: (reason = 'unknown') => watch.lose(reason) });
  } catch (thrown) {
    failure = { thrown };
  }
  const all = await watch.finish();
  const findings = all.filter((finding) => wanted(finding, options));
  const good = !watch.lost && !all.some(({ kind }) => kind === 'errors' || kind === 'scopes');
  const explained = failure && (await watch.explain(failure.thrown));
  if (explained) findings.unshift({ kind: 'errors', message: explained });
  // A test that fails early leaves things behind: only errors of the GPU can be what made it fail.
  const causes = failure ? findings.filter(({ kind }) => kind === 'errors' || kind === 'loss') : findings;
  if (causes.length === 0) return { device: good, error: failure };
  const messages = causes.map(({ message }) => message);
  if (failure && !explained) messages.push(`The test itself: ${messageOf(failure.thrown)}`);
  const error = new SanitizerError(messages.join('\n'), '', { cause: failure?.thrown });
  return { device: good, error: { thrown: error } };
}

function wanted({ kind }: Finding, options: GpuTestOptions): boolean {
  if (kind === 'resources') return options.sanitizeResources ?? true;
  if (kind === 'errors') return options.sanitizeErrors ?? true;
  if (kind === 'maps') return options.sanitizeMaps ?? true;
  if (kind === 'scopes') return options.sanitizeScopes ?? true;
  return !options.ownDevice;
}

const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));
