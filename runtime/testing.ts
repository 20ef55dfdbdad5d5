/** Helpers for tests of kernels: one device a file, seeded inputs, comparisons that name the worst element. */
import type { Kernel } from '@cim/kernels/kernel';
import { Device } from './device.ts';
import { Generator } from './generator.ts';
import { DRIVER_CHOICES, type DriverChoice, isDriverChoice } from './platform/driver.ts';
import { type Shape, sizeOf, type Tensor } from './tensor.ts';

let shared: Promise<Device> | undefined;
/** The device that all tests of the process share; nobody's tuning changes its kernels. The test runner's `--driver` arrives in $CIM_DRIVER. */
export const testDevice = (): Promise<Device> => (shared ??= Device.open({ driver: testDriver(), tuning: 'off' }));

export function testDriver(): DriverChoice {
  const name = process.env.CIM_DRIVER ?? 'auto';
  if (!isDriverChoice(name))
    throw new RangeError(`$CIM_DRIVER is "${name}"; it must be one of ${DRIVER_CHOICES.join(', ')}.`);
  return name;
}

/** Uniform values in [low, high), fixed by the seed. */
export function randomArray(shape: Shape, seed: number, low = -1, high = 1): Float32Array {
  const generator = new Generator(seed);
  return Float32Array.from({ length: sizeOf(shape) }, () => low + (high - low) * generator.uniform());
}

export interface Tolerance {
  /** Relative to the expected element. */
  readonly relative?: number;
  /** Relative to the largest expected magnitude. */
  readonly scaled?: number;
  readonly absolute?: number;
}

/** Throws unless |actual − expected| ≤ absolute + scaled·max|expected| + relative·|expected| for every element. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { relative = 1e-4, scaled = 1e-5, absolute = 0 }: Tolerance = {},
  label = 'values',
): void {
  if (actual.length !== expected.length)
    throw new Error(`${label}: ${actual.length} elements, expected ${expected.length}.`);
  let largest = 0;
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i]));
  let worst = -1;
  let excess = 0;
  for (let i = 0; i < expected.length; i++) {
    if (Object.is(actual[i], expected[i]) || actual[i] === expected[i]) continue;
    const error = Math.abs(actual[i] - expected[i]);
    const over = error - (absolute + scaled * largest + relative * Math.abs(expected[i]));
    if (!(over <= excess)) {
      excess = Number.isNaN(over) ? Infinity : over;
      worst = i;
    }
  }
  if (worst >= 0) {
    throw new Error(
      `${label}: element ${worst} is ${actual[worst]}, expected ${expected[worst]} (over the tolerance by ${excess}; largest magnitude ${largest}).`,
    );
  }
}

const POISON = -1.2345e30;

/**
 * Runs a kernel on host arrays and returns the outputs. An output given as a number is its size: it starts filled with
 * poison, so that elements the kernel forgets are seen; an output given as an array starts with those values.
 */
export async function runKernel<B extends string>(
  device: Device,
  kernel: Kernel<B>,
  buffers: Readonly<Record<B, ArrayLike<number> | number>>,
): Promise<Record<B, Float32Array>> {
  const tensors = {} as Record<B, Tensor>;
  for (const name in kernel.bindings) {
    const { element } = kernel.bindings[name];
    const dtype = element.includes('u32') ? 'u32' : element.includes('i32') ? 'i32' : 'f32';
    const given: ArrayLike<number> | number = buffers[name];
    const data =
      typeof given === 'number'
        ? new Float32Array(given).fill(dtype === 'f32' ? POISON : 0x7eadbeef)
        : (given as ArrayLike<number>);
    tensors[name] = device.tensor(data, [data.length], dtype);
  }
  device.run(kernel, tensors);
  const outputs = {} as Record<B, Float32Array>;
  for (const name in kernel.bindings) {
    if (kernel.bindings[name].access === 'read_write') outputs[name] = (await tensors[name].read()) as Float32Array;
    tensors[name].dispose();
  }
  return outputs;
}
