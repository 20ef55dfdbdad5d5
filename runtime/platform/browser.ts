import { GpuUnavailableError } from '../errors.ts';

/** `navigator.gpu` of a browser or of Deno. */
export function browserGpu(): GPU {
  const gpu = globalThis.navigator?.gpu;
  if (!gpu) throw new GpuUnavailableError('This browser has no WebGPU.', 'Use a current Chrome, Edge, Firefox or Safari.');
  return gpu;
}
