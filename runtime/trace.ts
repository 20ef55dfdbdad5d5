/** GPU timestamps per kernel, as a Chrome trace (chrome://tracing, ui.perfetto.dev). */
export interface KernelSpan {
  readonly name: string;
  /** Nanoseconds on the GPU's clock. */
  readonly begin: number;
  readonly end: number;
  readonly flops: number;
  readonly bytes: number;
}
export interface HostSpan {
  readonly name: string;
  /** Milliseconds, `performance.now()`. */
  readonly begin: number;
  readonly end: number;
}

const CAPACITY = 4096;

/** Collects timestamps: two queries a compute pass, resolved at every submit. */
export class Tracer {
  readonly #device: GPUDevice;
  readonly #querySet: GPUQuerySet;
  readonly #resolve: GPUBuffer;
  readonly #pending: Promise<void>[] = [];
  #names: { name: string; flops: number; bytes: number }[] = [];
  readonly kernels: KernelSpan[] = [];
  readonly host: HostSpan[] = [];

  constructor(device: GPUDevice) {
    this.#device = device;
    this.#querySet = device.createQuerySet({ type: 'timestamp', count: CAPACITY });
    this.#resolve = device.createBuffer({
      size: CAPACITY * 8,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
  }

  /** Whether another pass fits before the next submit. */
  get full(): boolean {
    return this.#names.length * 2 >= CAPACITY;
  }

  begin(name: string, flops: number, bytes: number): GPUComputePassTimestampWrites {
    const index = this.#names.length * 2;
    this.#names.push({ name, flops, bytes });
    return { querySet: this.#querySet, beginningOfPassWriteIndex: index, endOfPassWriteIndex: index + 1 };
  }

  /** Records the resolve into the encoder that holds the passes; call the returned function after its submit. */
  resolve(encoder: GPUCommandEncoder): () => void {
    const names = this.#names;
    this.#names = [];
    if (names.length === 0) return () => {};
    const bytes = names.length * 16;
    const readback = this.#device.createBuffer({
      size: bytes,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    encoder.resolveQuerySet(this.#querySet, 0, names.length * 2, this.#resolve, 0);
    encoder.copyBufferToBuffer(this.#resolve, 0, readback, 0, bytes);
    return () => {
      this.#pending.push(
        readback.mapAsync(GPUMapMode.READ).then(() => {
          const ticks = new BigUint64Array(readback.getMappedRange());
          names.forEach((span, i) => {
            this.kernels.push({ ...span, begin: Number(ticks[2 * i]), end: Number(ticks[2 * i + 1]) });
          });
          readback.destroy();
        }),
      );
    };
  }

  /** Times a stretch of host work beside the kernels. */
  span<T>(name: string, work: () => T): T {
    const begin = performance.now();
    const record = (): void => void this.host.push({ name, begin, end: performance.now() });
    const result = work();
    if (result instanceof Promise) return result.finally(record) as T;
    record();
    return result;
  }

  async settled(): Promise<void> {
    await Promise.all(this.#pending.splice(0));
  }

  /** Total GPU nanoseconds by kernel name, largest first. */
  summary(): { name: string; count: number; nanoseconds: number; flops: number }[] {
    const totals = new Map<string, { name: string; count: number; nanoseconds: number; flops: number }>();
    for (const span of this.kernels) {
      let total = totals.get(span.name);
      if (!total) totals.set(span.name, (total = { name: span.name, count: 0, nanoseconds: 0, flops: 0 }));
      total.count++;
      total.nanoseconds += span.end - span.begin;
      total.flops += span.flops;
    }
    return [...totals.values()].sort((a, b) => b.nanoseconds - a.nanoseconds);
  }

  /** The Chrome trace format, one track for the GPU and one for the host. */
  chromeTrace(): object {
    const gpuStart = Math.min(...this.kernels.map((s) => s.begin), Infinity);
    const hostStart = Math.min(...this.host.map((s) => s.begin), Infinity);
    return {
      traceEvents: [
        { ph: 'M', pid: 1, tid: 1, name: 'thread_name', args: { name: 'GPU' } },
        { ph: 'M', pid: 1, tid: 2, name: 'thread_name', args: { name: 'host' } },
        ...this.kernels.map((s) => ({
          ph: 'X',
          pid: 1,
          tid: 1,
          name: s.name,
          ts: (s.begin - gpuStart) / 1e3,
          dur: (s.end - s.begin) / 1e3,
          args: { flops: s.flops, bytes: s.bytes },
        })),
        ...this.host.map((s) => ({
          ph: 'X',
          pid: 1,
          tid: 2,
          name: s.name,
          ts: (s.begin - hostStart) * 1e3,
          dur: (s.end - s.begin) * 1e3,
        })),
      ],
    };
  }

  destroy(): void {
    this.#querySet.destroy();
    this.#resolve.destroy();
  }
}
