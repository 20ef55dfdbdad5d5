/** What is used of the peers, so that types can be checked where they are not installed. */

declare module '@tensorflow/tfjs' {
  interface Tensor {
    readonly shape: number[];
    data(): Promise<Float32Array>;
    mul(factor: number): Tensor;
    dispose(): void;
  }
  interface WebGpuBackend {
    readonly device: GPUDevice;
    endComputePassEncoder(): void;
    submitQueue(): void;
  }
  export function tensor(values: Float32Array, shape: number[]): Tensor;
  export function matMul(a: Tensor, b: Tensor, transposeA?: boolean, transposeB?: boolean): Tensor;
  export function conv2d(
    x: Tensor,
    filter: Tensor,
    strides: number,
    pad: number,
    dataFormat: 'NHWC',
    dilations: number,
    dimRoundingMode: 'floor',
  ): Tensor;
  export function engine(): { runKernel(name: string, inputs: Record<string, Tensor>, attributes: object): Tensor };
  export function backend(): WebGpuBackend;
  export function setBackend(name: string): Promise<boolean>;
  export function ready(): Promise<void>;
}

declare module '@tensorflow/tfjs-backend-webgpu' {}

declare module '@jax-js/jax' {
  interface JaxArray {
    /** Another reference: a function takes over those it is given. */
    readonly ref: JaxArray;
    reshape(shape: number[]): JaxArray;
    mul(factor: JaxArray): JaxArray;
    sum(): JaxArray;
    data(): Promise<Float32Array>;
    blockUntilReady(): Promise<JaxArray>;
    dispose(): void;
  }
  type JaxFunction = (...operands: JaxArray[]) => JaxArray;
  export const numpy: {
    array(values: Float32Array): JaxArray;
    matmul(a: JaxArray, b: JaxArray): JaxArray;
    transpose(a: JaxArray): JaxArray;
  };
  export const lax: {
    convGeneralDilated(
      x: JaxArray,
      weight: JaxArray,
      strides: number[],
      padding: number[][],
      options: { rhsDilation: number[] },
    ): JaxArray;
  };
  export function jit(run: JaxFunction): JaxFunction;
  export function grad(run: JaxFunction): JaxFunction;
  export function init(...devices: string[]): Promise<string[]>;
  export function defaultDevice(device: string): void;
}

declare module 'onnx-proto' {
  export const onnx: { ModelProto: { encode(model: object): { finish(): Uint8Array } } };
}

declare module 'onnxruntime-node' {
  export interface Tensor {
    readonly data: Float32Array;
    dispose(): void;
  }
  export interface InferenceSession {
    run(feeds: Record<string, Tensor>): Promise<Record<string, Tensor>>;
    release(): Promise<void>;
  }
  export const Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => Tensor;
  export const InferenceSession: { create(model: Uint8Array, options: object): Promise<InferenceSession> };
}
