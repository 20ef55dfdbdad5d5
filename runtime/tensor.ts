import type { Element } from '@cim/kernels/kernel';
import type { Device } from './device.ts';
import { ShapeError } from './errors.ts';
import type { Block } from './memory.ts';

/** Element types of a tensor, 4 bytes each. */
export type DType = 'f32' | 'u32' | 'i32';
/** What tensors are read into. */
export type TypedArray = Float32Array | Uint32Array | Int32Array;
/** Sizes of the dimensions, the last one contiguous; `[]` is a scalar. */
export type Shape = readonly number[];

/** `length` zeros on the host, of the class that fits the dtype. */
export const arrayOf = (dtype: DType, length: number): TypedArray =>
  dtype === 'f32' ? new Float32Array(length) : dtype === 'u32' ? new Uint32Array(length) : new Int32Array(length);

/** What a tensor must be of, to be bound as elements of this WGSL type. */
export const dtypeOfElement = (element: Element): DType =>
  /i32|vec.i/.test(element) ? 'i32' : /u32|vec.u/.test(element) ? 'u32' : 'f32';

/** Elements of a tensor of this shape. */
export const sizeOf = (shape: Shape): number => shape.reduce((a, b) => a * b, 1);

/** What the elements of an array are on the device: integers of 32 bits keep their type, all else is f32. */
export const dtypeOf = (data: ArrayLike<number>): DType =>
  data instanceof Uint32Array ? 'u32' : data instanceof Int32Array ? 'i32' : 'f32';

/** The values as a typed array of the dtype: the same one where it is. */
export function toTyped(data: ArrayLike<number>, dtype: DType): TypedArray {
  if (dtype === 'f32') return data instanceof Float32Array ? data : Float32Array.from(data);
  if (dtype === 'u32') return data instanceof Uint32Array ? data : Uint32Array.from(data);
  return data instanceof Int32Array ? data : Int32Array.from(data);
}

/** Device memory shared by the tensors that view it; returned to the pool when the last one is disposed. */
export class Storage {
  /** The buffer. */
  readonly block: Block;
  /** The device it belongs to. */
  readonly device: Device;
  /** Tensors that view it. */
  references = 1;
  /** Changes whenever anything is written here. */
  version = 0;
  /** Held by one tensor to begin with. */
  constructor(device: Device, block: Block) {
    this.device = device;
    this.block = block;
  }
  /** Called by each tensor when it is disposed. */
  release(): void {
    if (--this.references === 0) this.device.memory.release(this.block);
  }
}

/**
 * A dense row-major array of 4-byte elements on the device. Views made by {@link reshape} and {@link view} share
 * storage. A tensor made inside `device.scope` is disposed when the scope ends unless it is returned or kept.
 */
export class Tensor {
  /** Where the elements are. */
  readonly device: Device;
  /** The memory, shared among views. */
  readonly storage: Storage;
  /** Sizes of the dimensions. */
  readonly shape: Shape;
  /** Elements. */
  readonly size: number;
  /** Type of the elements. */
  readonly dtype: DType;
  /** Bytes from the start of the storage; a multiple of the device's storage offset alignment. */
  readonly offset: number;
  /** Whether gradients flow to (a parameter) or through (an output) this tensor. */
  requiresGrad = false;
  #disposed = false;

  /** A window on a storage; use {@link Device.empty}, {@link Device.zeros} or {@link Device.tensor} to make tensors. */
  constructor(device: Device, storage: Storage, shape: Shape, dtype: DType, offset = 0) {
    this.device = device;
    this.storage = storage;
    this.shape = shape;
    this.size = sizeOf(shape);
    this.dtype = dtype;
    this.offset = offset;
    device.track(this);
  }

  /** Whether {@link dispose} was called: the tensor must not be used any more. */
  get disposed(): boolean {
    return this.#disposed;
  }
  /** 4·size. */
  get bytes(): number {
    return this.size * 4;
  }

  /**
   * The same elements under another shape. One dimension may be -1.
   *
   * @throws ShapeError when the number of elements would change.
   */
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

  /**
   * Makes sure that the tensor may be used.
   * @throws ShapeError when it was disposed.
   */
  check(): void {
    if (this.#disposed) {
      throw new ShapeError(
        `Tensor [${this.shape}] was used after it was disposed.`,
        'Return it from the scope or keep() it.',
      );
    }
  }

  /** Gives the memory back, when no view uses it any more; recorded work still finds it. A second call does nothing. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.storage.release();
  }
}
