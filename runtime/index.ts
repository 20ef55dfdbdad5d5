export * from './device.ts';
export * from './errors.ts';
export * as functional from './functional/index.ts';
export * from './generator.ts';
export { type MemoryUse, mib } from './memory.ts';
export { DRIVER_CHOICES, type DriverChoice, type DriverName, isDriverChoice } from './platform/driver.ts';
export * from './tape.ts';
export * from './tensor.ts';
export * from './trace.ts';
