/** Gives libraries written for browsers the adapter that our own kernels run on. */
import type { DriverChoice } from '@cim/runtime/platform/driver';
import { findNodeAdapter } from '@cim/runtime/platform/node';

/** Sets `navigator.gpu` and WebGPU's constants. @throws GpuUnavailableError without such an adapter. */
export async function provideNavigatorGpu(driver: DriverChoice): Promise<void> {
  // Also defines GPUBufferUsage and the like.
  await findNodeAdapter(driver);
  const gpu = {
    requestAdapter: async () => (await findNodeAdapter(driver)).adapter,
    getPreferredCanvasFormat: () => 'bgra8unorm',
    wgslLanguageFeatures: new Set(),
  };
  if (!globalThis.navigator) Object.defineProperty(globalThis, 'navigator', { value: { userAgent: 'node' } });
  Object.defineProperty(globalThis.navigator, 'gpu', { value: gpu });
}
