import { OutOfMemoryError } from './errors.ts';

/** One pooled GPU buffer. `id` is unique for the life of the device. */
export interface Block {
  /** Counted from 1. */
  readonly id: number;
  /** For storage and copies. */
  readonly buffer: GPUBuffer;
  /** Bytes, those asked for rounded up to a size class. */
  readonly capacity: number;
  /** Bytes that its holder asked for. */
  requested: number;
}

/** Bytes of GPU memory of a {@link MemoryPool}. */
export interface MemoryUse {
  /** Bytes held by undisposed tensors. */
  readonly live: number;
  /** The same without the padding of buffers. */
  readonly requested: number;
  /** The largest `live` so far. */
  readonly peak: number;
  /** Bytes of GPU buffers that exist, live or waiting for reuse. */
  readonly reserved: number;
}

/** How many times larger than needed a free buffer may be to be used rather than another be made. */
const LARGEST_FIT = 2;

/** Buffers are binned so that waste stays under 1/8 and 16 MiB, and changing shapes reuse each other's memory. */
function sizeClass(bytes: number): number {
  const size = Math.max(256, bytes);
  const step = 2 ** Math.min(24, Math.max(8, Math.floor(Math.log2(size)) - 3));
  return Math.ceil(size / step) * step;
}

/**
 * Size-class pool of storage buffers. Reuse needs no fence: WebGPU orders all work of the queue. Freed buffers above
 * `idleLimit` bytes are destroyed, oldest first, so that nothing grows over steps of changing shapes.
 */
export class MemoryPool {
  readonly #device: GPUDevice;
  readonly #budget: number;
  readonly #idleLimit: number;
  readonly #onDestroy: (block: Block) => void;
  /** Free blocks by capacity; the Map's order is irrelevant, `#idle` keeps age. */
  readonly #free = new Map<number, Block[]>();
  readonly #idle = new Set<Block>();
  readonly #buffers = new Set<GPUBuffer>();
  #idleBytes = 0;
  #nextId = 1;
  #live = 0;
  #requested = 0;
  #peak = 0;
  #reserved = 0;
  /** Called after every change of what is in use. */
  onChange: ((use: MemoryUse) => void) | undefined;

  /**
   * Holds at most `budget` bytes, and keeps at most `idleLimit` of them idle; `onDestroy` is told of each buffer that
   * goes.
   */
  constructor(device: GPUDevice, options: { budget: number; idleLimit: number; onDestroy: (block: Block) => void }) {
    this.#device = device;
    this.#budget = options.budget;
    this.#idleLimit = options.idleLimit;
    this.#onDestroy = options.onDestroy;
  }

  /** Bytes held now. */
  get use(): MemoryUse {
    return { live: this.#live, requested: this.#requested, peak: this.#peak, reserved: this.#reserved };
  }

  /** Whether the buffer is one of the pool's, held by a tensor or free. */
  owns(buffer: GPUBuffer): boolean {
    return this.#buffers.has(buffer);
  }

  /**
   * A block of at least `bytes`, its content arbitrary.
   * @throws OutOfMemoryError when the budget has no room.
   */
  acquire(bytes: number): Block {
    const capacity = Math.min(sizeClass(bytes), this.#device.limits.maxBufferSize);
    let block = this.#fitting(capacity);
    if (block) {
      this.#idle.delete(block);
      this.#idleBytes -= block.capacity;
    } else {
      if (this.#reserved + capacity > this.#budget) this.#trim(this.#reserved + capacity - this.#budget);
      if (this.#reserved + capacity > this.#budget) {
        throw new OutOfMemoryError(
          `A buffer of ${mib(capacity)} does not fit: ${mib(this.#live)} of the budget of ${mib(this.#budget)} are in use.`,
          'Use smaller images, fewer proposals or a larger --memory budget.',
        );
      }
      const buffer = this.#device.createBuffer({
        size: capacity,
        usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
      });
      this.#buffers.add(buffer);
      block = { id: this.#nextId++, buffer, capacity, requested: 0 };
      this.#reserved += capacity;
    }
    this.#live += block.capacity;
    block.requested = bytes;
    this.#requested += bytes;
    this.#peak = Math.max(this.#peak, this.#live);
    this.onChange?.(this.use);
    return block;
  }

  /** A free block of the capacity, or the smallest larger one that is not wasted on it. */
  #fitting(capacity: number): Block | undefined {
    const exact = this.#free.get(capacity)?.pop();
    if (exact) return exact;
    let best: number | undefined;
    for (const [own, { length }] of this.#free) {
      if (length > 0 && own > capacity && own <= Math.min(LARGEST_FIT * capacity, best ?? Infinity)) best = own;
    }
    return best === undefined ? undefined : this.#free.get(best)!.pop();
  }

  /** Takes a block back, for whoever asks next. */
  release(block: Block): void {
    this.#live -= block.capacity;
    this.#requested -= block.requested;
    let bin = this.#free.get(block.capacity);
    if (!bin) this.#free.set(block.capacity, (bin = []));
    bin.push(block);
    this.#idle.add(block);
    this.#idleBytes += block.capacity;
    if (this.#idleBytes > this.#idleLimit) this.#trim(this.#idleBytes - this.#idleLimit);
    this.onChange?.(this.use);
  }

  /** Destroys idle buffers, oldest first, until `bytes` are given back. */
  #trim(bytes: number): void {
    for (const block of this.#idle) {
      if (bytes <= 0) return;
      this.#idle.delete(block);
      const bin = this.#free.get(block.capacity)!;
      bin.splice(bin.indexOf(block), 1);
      this.#onDestroy(block);
      block.buffer.destroy();
      this.#buffers.delete(block.buffer);
      this.#idleBytes -= block.capacity;
      this.#reserved -= block.capacity;
      bytes -= block.capacity;
    }
  }

  /** Destroys all buffers that nobody holds. */
  destroy(): void {
    this.#trim(Infinity);
  }
}

/** Bytes as text: `1.5 MiB`. */
export const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
