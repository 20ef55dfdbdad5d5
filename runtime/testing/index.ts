/**
 * Tests of WGSL: devices that are watched for leaks and errors, shaders run between guard zones, seeded inputs, comparisons
 * that name the worst element. Works with any runner whose `test(name, fn)` takes an async function, in Node, Deno and
 * browsers. See docs/testing-shaders.md.
 */
export { expectClose, type Tolerance, ulpDistance } from './close.ts';
export { type Case, combine } from './combine.ts';
export { testDevice, testDriver } from './device.ts';
export {
  type GpuTest,
  type GpuTestContext,
  type GpuTestOptions,
  gpuTests,
  SanitizerError,
  type Surroundings,
} from './gpu-test.ts';
export { type Differentiable, expectGradients, type GradientOptions } from './gradients.ts';
export { type Bindings, type Operand, type Recorder, runGuarded, ShaderDefectError, type Work } from './guarded.ts';
export { executePlan, runKernel } from './kernel.ts';
export { EXTREMES, type Extreme, randomArray, randomIntegers, withExtremes } from './random.ts';
export { type BufferContent, type GuardOptions, runShader, type Shader } from './shader.ts';
