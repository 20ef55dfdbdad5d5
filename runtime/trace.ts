/** GPU timestamps per kernel, as a Chrome trace (chrome://tracing, ui.perfetto.dev). */
export interface KernelSpan {
  /** The kernel's. */
  readonly name: string;
  /** Nanoseconds on the GPU's clock. */
  readonly begin: number;
  /** Nanoseconds on the GPU's clock. */
  readonly end: number;
  /** The kernel's, of this dispatch. */
  readonly flops: number;
  /** The kernel's, of this dispatch. */
  readonly bytes: number;
}
/** All dispatches of the kernels of one name. */
export interface KernelTotal {
  /** The kernels'. */
  readonly name: string;
  /** Dispatches. */
  readonly count: number;
  /** Of GPU time in all. */
  readonly nanoseconds: number;
  /** Floating-point operations in all. */
  readonly flops: number;
}

/** Time without a kernel, between the first and the last one of a trace. */
export interface Idleness {
  /** All of it together. */
  readonly nanoseconds: number;
  /** Nanoseconds of the longest stretch, 0 without any. */
  readonly longest: number;
  /** The kernel that ended the longest stretch, null without any. */
  readonly before: string | null;
}
const CAPACITY = 4096;

/**
 * Collects timestamps: two queries a compute pass. They are resolved when they are asked for or the query set is full, not at
 * every submit: Dawn converts them by a kernel of its own, which would stand between ours.
 */
export class Tracer {
  readonly #device: GPUDevice;
  readonly #flush: () => void;
  readonly #querySet: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  readonly #pending: Promise<void>[] = [];
  #names: { name: string; flops: number; bytes: number }[] = [];
  /** In the order of dispatch, of everything whose timestamps are back. */
  readonly kernels: KernelSpan[] = [];
  /** Rises with every {@link restart}. */
  #trace = 0;

  /**
   * Needs a device with `timestamp-query`.
   * @param flush submits the passes that {@link begin} was called for.
   */
  constructor(device: GPUDevice, flush: () => void) {
    this.#device = device;
    this.#flush = flush;
    this.#querySet = device.createQuerySet({ type: 'timestamp', count: CAPACITY });
    this.#resolved = device.createBuffer({
      size: CAPACITY * 8,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
  }

  /** Whether {@link resolve} must come before the next pass. */
  get full(): boolean {
    return this.#names.length * 2 >= CAPACITY;
  }

  /** Timestamps of the next kernel, for its compute pass. */
  begin(name: string, flops: number, bytes: number): GPUComputePassTimestampWrites {
    const index = this.#names.length * 2;
    this.#names.push({ name, flops, bytes });
    return { querySet: this.#querySet, beginningOfPassWriteIndex: index, endOfPassWriteIndex: index + 1 };
  }

  /** Submits all passes, and after them the reading of their timestamps. */
  resolve(): void {
    this.#flush();
    const names = this.#names;
    const trace = this.#trace;
    this.#names = [];
    if (names.length === 0) return;
    const bytes = names.length * 16;
    const readback = this.#device.createBuffer({
      size: bytes,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    const encoder = this.#device.createCommandEncoder();
    encoder.resolveQuerySet(this.#querySet, 0, names.length * 2, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, readback, 0, bytes);
    this.#device.queue.submit([encoder.finish()]);
    this.#pending.push(
      readback.mapAsync(GPUMapMode.READ).then(() => {
        const ticks = new BigUint64Array(readback.getMappedRange());
        if (trace === this.#trace) {
          names.forEach((span, i) => {
            this.kernels.push({ ...span, begin: Number(ticks[2 * i]), end: Number(ticks[2 * i + 1]) });
          });
        }
        readback.destroy();
      }),
    );
  }

  /** Forgets the kernels of everything recorded so far, done or not. */
  restart(): void {
    this.#flush();
    this.#names = [];
    this.#trace++;
    this.kernels.length = 0;
  }

  /** Waits until the timestamps of everything recorded are back. */
  async settled(): Promise<void> {
    this.resolve();
    await Promise.all(this.#pending.splice(0));
  }

  /** Total GPU nanoseconds by kernel name, largest first. */
  summary(): KernelTotal[] {
    const totals = new Map<string, { -readonly [K in keyof KernelTotal]: KernelTotal[K] }>();
    for (const span of this.kernels) {
      let total = totals.get(span.name);
      if (!total) totals.set(span.name, (total = { name: span.name, count: 0, nanoseconds: 0, flops: 0 }));
      total.count++;
      total.nanoseconds += span.end - span.begin;
      total.flops += span.flops;
    }
    return [...totals.values()].sort((a, b) => b.nanoseconds - a.nanoseconds);
  }

  /** Share of the time from the first kernel's begin to the last one's end in which a kernel ran, 0 to 1. */
  get busyShare(): number {
    let [first, last, busy] = [Infinity, 0, 0];
    for (const { begin, end } of this.kernels) {
      first = Math.min(first, begin);
      last = Math.max(last, end);
      busy += end - begin;
    }
    return last > first ? busy / (last - first) : 0;
  }

  /** What else there was but kernels: copies, uploads, waiting for the host. */
  get idle(): Idleness {
    let [nanoseconds, longest, end] = [0, 0, Infinity];
    let before: string | null = null;
    for (const span of this.kernels.toSorted((a, b) => a.begin - b.begin)) {
      const gap = Math.max(0, span.begin - end);
      nanoseconds += gap;
      if (gap > longest) [longest, before] = [gap, span.name];
      end = end === Infinity ? span.end : Math.max(end, span.end);
    }
    return { nanoseconds, longest, before };
  }

  /** The Chrome trace format. */
  chromeTrace(): object {
    const start = this.kernels.reduce((least, { begin }) => Math.min(least, begin), Infinity);
    return {
      traceEvents: [
        { ph: 'M', pid: 1, tid: 1, name: 'thread_name', args: { name: 'GPU' } },
        ...this.kernels.map(({ name, begin, end, flops, bytes }) => ({
          ph: 'X',
          pid: 1,
          tid: 1,
          name,
          ts: (begin - start) / 1e3,
          dur: (end - begin) / 1e3,
          args: { flops, bytes },
        })),
      ],
    };
  }

  /** Destroys its GPU buffers. */
  destroy(): void {
    this.#querySet.destroy();
    this.#resolved.destroy();
  }
}
