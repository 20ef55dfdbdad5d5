import { type Kernel, packUniforms } from '@cim/kernels/kernel';
import type { SubgroupMatrix, Target } from '@cim/kernels/target';
import {
  DeviceLostError,
  LimitError,
  OutOfMemoryError,
  type ReportedError,
  ShapeError,
  ValidationError,
} from './errors.ts';
import { type Block, MemoryPool, type MemoryUse, mib } from './memory.ts';
import { PipelineCache } from './pipelines.ts';
import type { DriverChoice, DriverName, FoundAdapter } from './platform/driver.ts';
import { findAdapter } from './platform/platform.ts';
import {
  arrayOf,
  type DType,
  dtypeOf,
  dtypeOfElement,
  type Shape,
  Storage,
  sizeOf,
  Tensor,
  type TypedArray,
  toTyped,
} from './tensor.ts';
import { type KernelTotal, Tracer } from './trace.ts';
import type { TuningMode } from './tune/modes.ts';
import { openWinners } from './tune/open.ts';
import { type Choices, Variants } from './variants.ts';

/** How {@link Device.open} opens a device. */
export interface DeviceOptions {
  /** What runs the kernels. Default `auto`: a real GPU, else lavapipe, else SwiftShader. */
  readonly driver?: DriverChoice;
  /** Bytes of GPU buffers that may exist at once. Default: 12 GiB; software adapters never report exhaustion themselves. */
  readonly memoryBudget?: number;
  /**
   * Largest tensor a kernel may bind, bytes, where that should be less than the adapter's own limit, as for drivers that
   * fail before it. Weights beyond it are sharded; a file of weights does not depend on it.
   */
  readonly maxBinding?: number;
  /**
   * Lets kernels of convolutions and matrix products round what they multiply to f16 (11 significant bits, at most 65504)
   * where the adapter has `shader-f16`; sums stay f32. Less exact: not for training. Default false.
   */
  readonly f16?: boolean;
  /** Record GPU timestamps of every kernel. Costs a compute pass each. */
  readonly trace?: boolean;
  /**
   * How kernels are chosen: `off` by estimated work alone; `cached`, the default, by what earlier tuning on this adapter
   * found and by shipped tables; `background` too, for what `BackgroundTuning` goes on to tune.
   */
  readonly tuning?: TuningMode;
  /** Kernels by class of shapes, before all others: what {@link Variants.used} of an earlier device said. */
  readonly choices?: Choices;
  /** Told of files that are left out, as a damaged cache. Default: `console.warn`. */
  readonly warn?: (warning: ReportedError) => void;
}

/** What the GPU and its driver are: GPUAdapterInfo, and how they were found. */
export interface AdapterDescription {
  /** As WebGPU names it: `nvidia`, `mesa`, `google`; empty where it is kept secret. */
  readonly vendor: string;
  /** A family of GPUs as WebGPU names it: `ada`, `lavapipe`. */
  readonly architecture: string;
  /** Vendor-specific, empty in browsers. */
  readonly device: string;
  /** The driver's own name of itself, with its version; empty in browsers. */
  readonly description: string;
  /** What runs the kernels. */
  readonly driver: DriverName;
  /** Why this driver. */
  readonly reason: string;
  /** 0 without subgroups. */
  readonly subgroupSize: number;
}

const SUBGROUP_MATRICES = 'chromium-experimental-subgroup-matrix';
const WANTED_FEATURES: readonly string[] = ['subgroups', 'shader-f16', 'timestamp-query', SUBGROUP_MATRICES];
const WANTED_LIMITS = [
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxStorageBuffersPerShaderStage',
] as const;

/** Uniform blocks of one submit; a kernel's block is at most 256 bytes. */
const UNIFORM_ARENA = 1 << 20;
const UNIFORM_STRIDE = 256;
/** Submitting in portions keeps the GPU busy while the host records on. */
const DISPATCHES_PER_SUBMIT = 64;
const BIND_GROUP_LIMIT = 16384;
/** Blocks are padded to this many bytes, so that the last vector of a binding lies inside. */
const BINDING_STEP = 256;
/** Bytes copied between host and device at once: what a copy needs beside its ends. */
const TRANSFER = 2 ** 26;

/**
 * A GPU, its memory and its queue. Kernels are recorded by {@link run} and reach the GPU at the next {@link flush},
 * which happens by itself; results come back with {@link read}. Not shared between threads.
 */
export class Device {
  /** The WebGPU device, for what goes beyond this class. */
  readonly gpu: GPUDevice;
  /** What it runs on. */
  readonly adapter: AdapterDescription;
  /** WebGPU features it was opened with: `subgroups`, `shader-f16`, `timestamp-query` where the adapter has them. */
  readonly features: ReadonlySet<string>;
  /** Where tensors get their buffers. */
  readonly memory: MemoryPool;
  /** Compiled kernels. */
  readonly pipelines: PipelineCache;
  /** Chooses among the kernels that can run an operation. */
  readonly variants: Variants;
  /** As given. */
  readonly options: DeviceOptions;
  /** What kernels may count on here. */
  readonly target: Target;
  /** Awaits a promise of the GPU, without keeping a core busy where the platform would. */
  readonly patiently: <T>(promise: Promise<T>) => Promise<T>;

  readonly #uniforms: GPUBuffer;
  readonly #uniformBytes = new ArrayBuffer(UNIFORM_ARENA);
  readonly #uniformView = new DataView(this.#uniformBytes);
  #uniformCursor = 0;
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  #recorded = 0;
  #written = 0;
  #dispatches = 0;
  #bindGroups = new Map<string, GPUBindGroup>();
  #scopes: Set<Tensor>[] = [];
  #collecting: Map<string, Kernel> | undefined;
  #failure: ReportedError | undefined;
  #closed = false;
  #tracer: Tracer | undefined;

  /**
   * Opens an adapter with all features and limits that kernels make use of.
   * @throws GpuUnavailableError when there is no adapter of the driver asked for.
   * @example
   * ```ts
   * import { Device } from '@cim/runtime';
   *
   * const device = await Device.open(); // or { driver: 'swiftshader', trace: true }
   * const x = device.tensor([1, 2, 3, 4], [2, 2]);
   * console.log(x.shape, await x.read()); // → [ 2, 2 ] Float32Array(4) [ 1, 2, 3, 4 ]
   * await device.close();
   * ```
   */
  static async open(options: DeviceOptions = {}): Promise<Device> {
    const found = await findAdapter(options.driver ?? 'auto');
    const { adapter } = found;
    const requiredLimits: Record<string, number> = {};
    for (const limit of WANTED_LIMITS) requiredLimits[limit] = adapter.limits[limit];
    const device = await adapter.requestDevice({
      requiredFeatures: WANTED_FEATURES.filter((f) => adapter.features.has(f as GPUFeatureName)) as GPUFeatureName[],
      requiredLimits,
    });
    const opened = new Device(device, found, options);
    const warn = options.warn ?? (({ message, remedy }) => console.warn(`${message} ${remedy}`));
    if (options.tuning !== 'off') opened.variants.winners = await openWinners(opened, warn);
    return opened;
  }

  private constructor(gpu: GPUDevice, { adapter, driver, reason, patiently }: FoundAdapter, options: DeviceOptions) {
    this.gpu = gpu;
    this.options = options;
    this.patiently = patiently ?? ((promise) => promise);
    const { info } = adapter;
    this.features = new Set(gpu.features as unknown as Iterable<string>);
    const fixedSize = info.subgroupMinSize === info.subgroupMaxSize ? info.subgroupMinSize : 0;
    this.adapter = {
      vendor: info.vendor,
      architecture: info.architecture,
      device: info.device,
      description: info.description,
      driver,
      reason,
      subgroupSize: this.features.has('subgroups') ? (fixedSize ?? 0) : 0,
    };
    this.pipelines = new PipelineCache(gpu);
    const { maxStorageBufferBindingSize, maxBufferSize } = gpu.limits;
    const limit = Math.min(maxStorageBufferBindingSize, maxBufferSize, options.maxBinding ?? Infinity);
    this.target = {
      subgroupSize: this.adapter.subgroupSize,
      f16: options.f16 === true && this.features.has('shader-f16'),
      subgroupMatrices: this.features.has(SUBGROUP_MATRICES) ? subgroupMatrices(info) : [],
      invocations: gpu.limits.maxComputeInvocationsPerWorkgroup,
      workgroupBytes: gpu.limits.maxComputeWorkgroupStorageSize,
      maxBinding: Math.floor(limit / BINDING_STEP) * BINDING_STEP,
    };
    this.variants = new Variants(this.target, options.choices);
    this.memory = new MemoryPool(gpu, {
      budget: options.memoryBudget ?? 12 * 2 ** 30,
      idleLimit: 2 ** 30,
      onDestroy: () => this.#bindGroups.clear(),
    });
    this.#uniforms = gpu.createBuffer({ size: UNIFORM_ARENA, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
    this.#tracer =
      options.trace && this.features.has('timestamp-query') ? new Tracer(gpu, () => this.flush()) : undefined;
    gpu.addEventListener('uncapturederror', (event) => {
      event.preventDefault();
      const { error } = event as GPUUncapturedErrorEvent;
      this.#failure ??=
        error instanceof GPUOutOfMemoryError
          ? new OutOfMemoryError(error.message, 'Use smaller images or fewer proposals.')
          : new ValidationError(error.message);
    });
    void gpu.lost.then(({ reason, message }) => {
      if (!this.#closed)
        this.#failure ??= new DeviceLostError(
          `The GPU device was lost (${reason}): ${message}`,
          'Resume from the last checkpoint.',
        );
    });
  }

  /** Bytes of GPU memory held now, and the most so far. */
  get memoryUse(): MemoryUse {
    return this.memory.use;
  }
  /** Largest tensor, bytes: no binding may exceed it. */
  get maxBinding(): number {
    return this.target.maxBinding;
  }
  /** As granted by the adapter. */
  get limits(): GPUSupportedLimits {
    return this.gpu.limits;
  }
  /** Timestamps of the kernels, if `trace` was asked for and the adapter has timestamp queries, or of a {@link profile}. */
  get tracer(): Tracer | undefined {
    return this.#tracer;
  }
  /** Kernels dispatched so far. */
  get dispatches(): number {
    return this.#dispatches;
  }

  /**
   * Uninitialised memory: whatever runs next must write all of it.
   *
   * @throws LimitError when it is larger than {@link maxBinding}.
   * @throws OutOfMemoryError when the memory budget has no room.
   */
  empty(shape: Shape, dtype: DType = 'f32'): Tensor {
    const bytes = sizeOf(shape) * 4;
    if (bytes > this.maxBinding) {
      throw new LimitError(
        `A tensor [${shape}] of ${mib(bytes)} exceeds the adapter's largest binding, ${mib(this.maxBinding)}.`,
        'Use smaller images, fewer of them at a time or fewer proposals, or another adapter.',
      );
    }
    return new Tensor(this, new Storage(this, this.memory.acquire(bytes)), shape, dtype);
  }

  /** A tensor of zeros. */
  zeros(shape: Shape, dtype: DType = 'f32'): Tensor {
    const tensor = this.empty(shape, dtype);
    this.clear(tensor);
    return tensor;
  }

  /**
   * Uploads `data`, converting to the dtype.
   *
   * @param shape row-major, [data.length] unless given.
   * @param dtype that of a Uint32Array or Int32Array is u32 or i32, of other data f32.
   * @throws ShapeError when the shape has another number of elements.
   * @throws LimitError when it is larger than {@link maxBinding}.
   * @example
   * ```ts
   * import { Device } from '@cim/runtime';
   *
   * const device = await Device.open();
   * const labels = device.tensor(Uint32Array.of(2, 0, 1));
   * const image = device.tensor(new Float32Array(3 * 4 * 5), [1, 3, 4, 5]);
   * console.log(labels.dtype, image.bytes); // → u32 240
   * await device.close();
   * ```
   */
  tensor(data: ArrayLike<number>, shape: Shape = [data.length], dtype: DType = dtypeOf(data)): Tensor {
    const tensor = this.empty(shape, dtype);
    this.write(tensor, data);
    return tensor;
  }

  /** Sets every element to zero. */
  clear(tensor: Tensor): void {
    tensor.check();
    if (this.#collecting || tensor.size === 0) return;
    tensor.storage.version++;
    this.#endPass();
    this.#commands().clearBuffer(tensor.storage.block.buffer, tensor.offset, tensor.bytes);
    this.#recorded++;
  }

  /**
   * Copies the elements of `from` to `to`, equal in size.
   *
   * @throws ShapeError when they are not equal in size.
   */
  copy(from: Tensor, to: Tensor): void {
    from.check();
    to.check();
    if (from.size !== to.size) throw new ShapeError(`Cannot copy [${from.shape}] to [${to.shape}].`);
    if (this.#collecting || from.size === 0) return;
    to.storage.version++;
    this.#endPass();
    this.#commands().copyBufferToBuffer(
      from.storage.block.buffer,
      from.offset,
      to.storage.block.buffer,
      to.offset,
      from.bytes,
    );
    this.#recorded++;
  }

  /**
   * Replaces all elements, or those from `first` on where `data` has fewer.
   *
   * @param first element of the tensor to begin with.
   * @throws ShapeError when the data do not fit.
   */
  write(tensor: Tensor, data: ArrayLike<number>, first?: number): void {
    tensor.check();
    if (first === undefined ? data.length !== tensor.size : first + data.length > tensor.size) {
      const where = first === undefined ? '' : ` from element ${first} on`;
      throw new ShapeError(`Cannot write ${data.length} elements to a tensor [${tensor.shape}]${where}.`);
    }
    if (this.#collecting || data.length === 0) return;
    tensor.storage.version++;
    // Writes go ahead of unsubmitted commands, which may still use this memory.
    this.flush();
    const { buffer } = tensor.storage.block;
    const typed = toTyped(data, tensor.dtype);
    const offset = tensor.offset + 4 * (first ?? 0);
    for (let done = 0; done < typed.byteLength; done += TRANSFER) {
      const bytes = Math.min(TRANSFER, typed.byteLength - done);
      this.gpu.queue.writeBuffer(buffer, offset + done, typed.buffer as ArrayBuffer, typed.byteOffset + done, bytes);
      // A submission lets go of the copies that earlier writes made of their data.
      this.#written += bytes;
      if (this.#written >= TRANSFER) this.gpu.queue.submit([]);
      this.#written %= TRANSFER;
    }
  }

  /**
   * Waits for the work that produces the tensor and copies it out, or `count` elements from `first` on. What is larger
   * than 64 MiB is copied in pieces: it must not change until then.
   * @throws DeviceLostError when the device is gone, and whatever else went wrong on it since the last check:
   *   ValidationError, OutOfMemoryError.
   */
  async read(tensor: Tensor, first = 0, count: number = tensor.size - first): Promise<TypedArray> {
    tensor.check();
    const data = arrayOf(tensor.dtype, count);
    const bytes = new Uint8Array(data.buffer);
    for (let done = 0; done < bytes.length; done += TRANSFER) {
      await this.#readBytes(tensor, 4 * first + done, bytes.subarray(done, done + TRANSFER));
    }
    await this.check();
    return data;
  }

  async #readBytes(tensor: Tensor, offset: number, into: Uint8Array): Promise<void> {
    const staging = this.gpu.createBuffer({
      size: into.length,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    this.#endPass();
    const { buffer } = tensor.storage.block;
    this.#commands().copyBufferToBuffer(buffer, tensor.offset + offset, staging, 0, into.length);
    this.#recorded++;
    this.flush();
    try {
      await this.patiently(staging.mapAsync(GPUMapMode.READ));
    } catch (cause) {
      await this.check();
      throw new DeviceLostError('Reading a tensor failed.', '', { cause });
    }
    into.set(new Uint8Array(staging.getMappedRange()));
    staging.destroy();
  }

  /**
   * Records one dispatch, which reads and writes the tensors in the order of recording.
   * @param tensors by the names of the kernel's bindings.
   * @throws LimitError when the device lacks what the kernel needs.
   * @throws ShapeError when a tensor was disposed, or is not of the binding's dtype.
   * @example
   * ```ts
   * import { add } from '@cim/kernels';
   * import { Device } from '@cim/runtime';
   *
   * const device = await Device.open();
   * const [a, b, y] = [device.tensor([1, 2]), device.tensor([3, -4]), device.empty([2])];
   * device.run(add({ n: 2, relu: true }), { a, b, y }); // y = max(0, a + b)
   * console.log(await y.read()); // → Float32Array(2) [ 4, 0 ]
   * await device.close();
   * ```
   */
  run<B extends string>(kernel: Kernel<B>, tensors: Readonly<Record<B, Tensor>>): void {
    if (this.#collecting) {
      this.#collecting.set(kernel.key, kernel);
      return;
    }
    const [x, y, z] = kernel.grid;
    if (x * y * z === 0) return;
    const { pipeline, layout, signature } = this.pipelines.get(kernel);
    if (this.#uniformCursor + UNIFORM_STRIDE > UNIFORM_ARENA) this.flush();
    if (this.tracer?.full) this.tracer.resolve();

    let key = signature;
    for (const name in kernel.bindings) {
      const tensor = tensors[name];
      tensor.check();
      if (kernel.bindings[name].access === 'read_write') tensor.storage.version++;
      key += `,${tensor.storage.block.id}`;
      if (tensor.offset !== 0 || tensor.bytes !== tensor.storage.block.capacity)
        key += `:${tensor.offset}:${tensor.bytes}`;
    }
    let group = this.#bindGroups.get(key);
    if (!group) {
      group = this.#bind(kernel, tensors, layout);
      if (this.#bindGroups.size >= BIND_GROUP_LIMIT) this.#bindGroups.clear();
      this.#bindGroups.set(key, group);
    }

    const encoder = this.#commands();
    let pass: GPUComputePassEncoder;
    if (this.tracer) {
      pass = encoder.beginComputePass({ timestampWrites: this.tracer.begin(kernel.name, kernel.flops, kernel.bytes) });
    } else {
      pass = this.#pass ??= encoder.beginComputePass();
    }
    pass.setPipeline(pipeline);
    if (kernel.uniforms.length > 0) {
      packUniforms(kernel.uniforms, this.#uniformView, this.#uniformCursor);
      pass.setBindGroup(0, group, [this.#uniformCursor]);
      this.#uniformCursor += UNIFORM_STRIDE;
    } else {
      pass.setBindGroup(0, group);
    }
    pass.dispatchWorkgroups(x, y, z);
    if (this.tracer) pass.end();
    this.#dispatches++;
    if (++this.#recorded >= DISPATCHES_PER_SUBMIT) this.flush();
  }

  #bind<B extends string>(
    kernel: Kernel<B>,
    tensors: Readonly<Record<B, Tensor>>,
    layout: GPUBindGroupLayout,
  ): GPUBindGroup {
    const entries: GPUBindGroupEntry[] = [];
    for (const name in kernel.bindings) {
      const tensor = tensors[name];
      const { element } = kernel.bindings[name];
      const expected = dtypeOfElement(element);
      if (tensor.dtype !== expected) {
        throw new ShapeError(
          `Kernel ${kernel.name} binds ${name} as ${element}, but the tensor [${tensor.shape}] is ${tensor.dtype}.`,
        );
      }
      // Vector elements need whole vectors; blocks are padded to 256 bytes, so rounding up stays inside.
      const size = Math.max(16, Math.ceil(tensor.bytes / 16) * 16);
      entries.push({
        binding: entries.length,
        resource: { buffer: tensor.storage.block.buffer, offset: tensor.offset, size },
      });
    }
    if (kernel.uniforms.length > 0) {
      const size = Math.ceil(kernel.uniforms.length / 4) * 16;
      if (size > UNIFORM_STRIDE)
        throw new LimitError(
          `Kernel ${kernel.name} has ${kernel.uniforms.length} uniforms; at most ${UNIFORM_STRIDE / 4} fit.`,
        );
      entries.push({ binding: entries.length, resource: { buffer: this.#uniforms, size: UNIFORM_STRIDE } });
    }
    return this.gpu.createBindGroup({ layout, entries });
  }

  #commands(): GPUCommandEncoder {
    return (this.#encoder ??= this.gpu.createCommandEncoder());
  }
  #endPass(): void {
    this.#pass?.end();
    this.#pass = undefined;
  }

  /** Submits what is recorded. */
  flush(): void {
    if (!this.#encoder) return;
    this.#endPass();
    if (this.#uniformCursor > 0)
      this.gpu.queue.writeBuffer(this.#uniforms, 0, this.#uniformBytes, 0, this.#uniformCursor);
    this.gpu.queue.submit([this.#encoder.finish()]);
    this.#encoder = undefined;
    this.#uniformCursor = 0;
    this.#recorded = 0;
  }

  /**
   * Times the kernels that are recorded from now until the returned function is called, which gives their totals once they
   * ran. Null without timestamp queries, and on a device that traces anyway. Meanwhile nothing else may be timed.
   */
  profile(): (() => Promise<KernelTotal[]>) | null {
    if (this.#tracer || !this.features.has('timestamp-query')) return null;
    this.flush();
    const tracer = (this.#tracer = new Tracer(this.gpu, () => this.flush()));
    return async () => {
      const settled = tracer.settled();
      this.#tracer = undefined;
      await this.patiently(settled);
      tracer.destroy();
      return tracer.summary();
    };
  }

  /** Submits and waits until the GPU is idle. @throws what went wrong on the device. */
  async finish(): Promise<void> {
    this.flush();
    await this.patiently(this.gpu.queue.onSubmittedWorkDone());
    await this.check();
  }

  /**
   * Throws the first failure that the device reported; does not wait for the GPU.
   * @throws ReportedError a ValidationError, OutOfMemoryError or DeviceLostError.
   */
  async check(): Promise<void> {
    await this.pipelines.validated();
    if (this.#failure) throw this.#failure;
  }

  /**
   * Runs `work` without touching the GPU, then compiles in parallel every kernel it would have dispatched.
   * `work` must not depend on values read back.
   */
  async compile(work: () => void): Promise<void> {
    await this.pipelines.compile(this.kernelsOf(work));
  }

  /** The kernels that `work` would dispatch. It must not depend on values read back. */
  kernelsOf(work: () => void): Kernel[] {
    const kernels = new Map<string, Kernel>();
    this.#collecting = kernels;
    try {
      this.scope(() => {
        work();
      });
    } finally {
      this.#collecting = undefined;
    }
    return [...kernels.values()];
  }

  /** Whether {@link kernelsOf} is at work: kernels do not run. */
  get compiling(): boolean {
    return this.#collecting !== undefined;
  }

  /**
   * Disposes, at the end, every tensor made by `work` that is neither returned nor kept.
   *
   * @throws ShapeError when `work` returns a promise.
   * @example
   * ```ts
   * import { Device, functional as F, Tape } from '@cim/runtime';
   *
   * const device = await Device.open();
   * const x = device.tensor([1, -2]);
   * const tape = new Tape(device, { recording: false });
   * const y = device.scope(() => F.relu(tape, F.scale(tape, x, 2))); // 2·x is freed, y is not
   * console.log(await y.read()); // → Float32Array(2) [ 2, 0 ]
   * await device.close();
   * ```
   */
  scope<T>(work: () => T): T {
    const made = this.#openScope();
    let result: T | undefined;
    try {
      result = work();
      if (result instanceof Promise)
        throw new ShapeError('A scope must be synchronous.', 'Read tensors after the scope, and return them from it.');
      return result;
    } finally {
      this.#closeScope(made, result);
    }
  }

  /** {@link scope} for work that waits for the GPU. Nothing else may use the device until it is done. */
  async scopeAsync<T>(work: () => Promise<T>): Promise<T> {
    const made = this.#openScope();
    let result: T | undefined;
    try {
      result = await work();
      return result;
    } finally {
      this.#closeScope(made, result);
    }
  }

  #openScope(): Set<Tensor> {
    const made = new Set<Tensor>();
    this.#scopes.push(made);
    return made;
  }

  #closeScope(made: Set<Tensor>, result: unknown): void {
    this.#scopes.pop();
    const survivors = new Set<Tensor>(tensorsIn(result));
    for (const tensor of made) {
      if (survivors.has(tensor)) this.track(tensor);
      else tensor.dispose();
    }
  }

  /** Takes the tensor out of all scopes: its owner disposes it. */
  keep<T extends Tensor>(tensor: T): T {
    for (const scope of this.#scopes) scope.delete(tensor);
    return tensor;
  }

  /** Registers a tensor with the innermost scope. */
  track(tensor: Tensor): void {
    this.#scopes.at(-1)?.add(tensor);
  }

  /** Waits for the GPU and gives everything back. */
  async close(): Promise<void> {
    this.flush();
    await this.patiently(this.gpu.queue.onSubmittedWorkDone());
    await this.tracer?.settled();
    this.#closed = true;
    this.tracer?.destroy();
    this.memory.destroy();
    this.gpu.destroy();
  }
}

/** What Dawn says of subgroup matrices, not yet in any standard. */
function subgroupMatrices(info: GPUAdapterInfo): SubgroupMatrix[] {
  type Config = { componentType: string; resultComponentType: string; M: number; N: number; K: number };
  const { subgroupMatrixConfigs = [] } = info as { subgroupMatrixConfigs?: Iterable<Config> };
  return [...subgroupMatrixConfigs].map(({ componentType, resultComponentType, M, N, K }) => ({
    component: componentType,
    result: resultComponentType,
    m: M,
    n: N,
    k: K,
  }));
}

function* tensorsIn(value: unknown): Generator<Tensor> {
  if (value instanceof Tensor) yield value;
  else if (Array.isArray(value)) for (const item of value) yield* tensorsIn(item);
  else if (value !== null && typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype) {
    for (const item of Object.values(value)) yield* tensorsIn(item);
  }
}

export type { Block };
