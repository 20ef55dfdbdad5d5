import { Device } from '../device.ts';
import { DRIVER_CHOICES, type DriverChoice, isDriverChoice } from '../platform/driver.ts';

/** One device for many tests: opened when first asked for, again after it was dropped. */
export class SharedDevice<D> {
  readonly #open: () => Promise<D>;
  #opened: Promise<D> | undefined;

  /** @param open Opens a device. */
  constructor(open: () => Promise<D>) {
    this.#open = open;
  }
  /** The device; the same until {@link drop}. */
  get(): Promise<D> {
    return (this.#opened ??= this.#open());
  }
  /** The next test opens another: this one is lost, or holds errors of a test that failed. */
  drop(): void {
    this.#opened = undefined;
  }
}

/** Nobody's tuning changes the kernels of tests. */
export const openTestDevice = (): Promise<Device> => Device.open({ driver: testDriver(), tuning: 'off' });

/** What {@link testDevice} shares. */
export const sharedTestDevice = new SharedDevice(openTestDevice);

/** The device that all tests of the process share. Its driver comes from $CIM_DRIVER, where there are such variables. */
export const testDevice = (): Promise<Device> => sharedTestDevice.get();

/**
 * The driver named by $CIM_DRIVER, which the test runner's `--driver` sets. Default, and in browsers: `auto`.
 *
 * @throws RangeError when there is no such driver.
 */
export function testDriver(): DriverChoice {
  const name = environmentVariable('CIM_DRIVER') ?? 'auto';
  if (!isDriverChoice(name))
    throw new RangeError(`$CIM_DRIVER is "${name}"; it must be one of ${DRIVER_CHOICES.join(', ')}.`);
  return name;
}

/** Undefined in browsers, and in Deno without the permission to read the environment. */
function environmentVariable(name: string): string | undefined {
  try {
    return globalThis.process?.env?.[name];
  } catch {
    return undefined;
  }
}
