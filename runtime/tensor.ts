import type { Device } from './device.ts';
import { ShapeError } from './errors.ts';
import type { Block } from './memory.ts';

export type DType = 'f32' | 'u32' | 'i32';
export type TypedArray = Float32Array | Uint32Array | Int32Array;
export type Shape = readonly number[];

export const arrayOf = (dtype: DType, length: number): TypedArray =>
  dtype === 'f32' ? new Float32Array(length) : dtype === 'u32' ? new Uint32Array(length) : new Int32Array(length);

export const sizeOf = (shape: Shape): number => shape.reduce((a, b) => a * b, 1);

/** Device memory shared by the tensors that view it; returned to the pool when the last one is disposed. */
export class Storage {
  readonly block: Block;
  readonly device: Device;
  references = 1;
  /** Changes whenever anything is written here. */
  version = 0;
  constructor(device: Device, block: Block) {
    this.device = device;
    this.block = block;
  }
  release(): void {
    if (--this.references === 0) this.device.memory.release(this.block);
  }
}

/**
 * A dense row-major array of 4-byte elements on the device. Views made by {@link reshape} and {@link view} share
 * storage. A tensor made inside `device.scope` is disposed when the scope ends unless it is returned or kept.
 */
export class Tensor {
  readonly device: Device;
  readonly storage: Storage;
  readonly shape: Shape;
  readonly size: number;
  readonly dtype: DType;
  /** Bytes from the start of the storage; a multiple of the device's storage offset alignment. */
  readonly offset: number;
  /** Whether gradients flow to (a parameter) or through (an output) this tensor. */
  requiresGrad = false;
  #disposed = false;

  constructor(device: Device, storage: Storage, shape: Shape, dtype: DType, offset = 0) {
    this.device = device;
    this.storage = storage;
    this.shape = shape;
    this.size = sizeOf(shape);
    this.dtype = dtype;
    this.offset = offset;
    device.track(this);
  }

  get disposed(): boolean {
    return this.#disposed;
  }
  get bytes(): number {
    return this.size * 4;
  }

  /** The same elements under another shape. One dimension may be -1. */
  reshape(shape: Shape): Tensor {
    const known = shape.filter((n) => n !== -1).reduce((a, b) => a * b, 1);
    const full = shape.map((n) => (n === -1 ? this.size / known : n));
    if (sizeOf(full) !== this.size) {
      throw new ShapeError(`Cannot reshape [${this.shape}] (${this.size} elements) to [${shape}].`);
    }
    return this.view(full, this.offset);
  }

  /** Another window on the same storage, `offset` in bytes from its start. */
  view(shape: Shape, offset: number): Tensor {
    this.check();
    this.storage.references++;
    const tensor = new Tensor(this.device, this.storage, shape, this.dtype, offset);
    tensor.requiresGrad = this.requiresGrad;
    return tensor;
  }

  /** Copies the elements to the host; waits for the work that produces them. */
  async read(): Promise<TypedArray> {
    return this.device.read(this);
  }

  /** Replaces the elements, ordered after all work recorded so far. */
  write(data: ArrayLike<number>): void {
    this.device.write(this, data);
  }

  /** Throws when the tensor was disposed. */
  check(): void {
    if (this.#disposed) {
      throw new ShapeError(
        `Tensor [${this.shape}] was used after it was disposed.`,
        'Return it from the scope or keep() it.',
      );
    }
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.storage.release();
  }
}
