import { type Binding, type Kernel, MAX_STORAGE_BUFFERS } from '@cim/kernels/kernel';
import { compilationErrors, quotePipelineError } from './diagnostics.ts';
import { LimitError, ValidationError } from './errors.ts';

/** A compiled kernel text. */
export interface Pipeline {
  /** What dispatches set. */
  readonly pipeline: GPUComputePipeline;
  /** Of its bind group. */
  readonly layout: GPUBindGroupLayout;
  /** Identifies the layout: kernels of one signature share bind groups. */
  readonly signature: string;
}

const REMEDY = 'Use the portable variant of the kernel, or another adapter.';

/** Compiles every kernel text once. Layouts are explicit, so kernels with the same bindings share bind groups. */
export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #features: ReadonlySet<string>;
  readonly #pipelines = new Map<string, Pipeline>();
  readonly #layouts = new Map<string, { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout }>();
  readonly #checks: Promise<void>[] = [];
  #failure: ValidationError | undefined;

  /** Of kernels for one device. */
  constructor(device: GPUDevice) {
    this.#device = device;
    this.#features = new Set(device.features as unknown as Iterable<string>);
  }

  /** Pipelines made so far. */
  get size(): number {
    return this.#pipelines.size;
  }

  /**
   * The pipeline of a kernel, made at the first time. What WGSL compilers find wrong comes out later, in {@link
   * validated}.
   * @throws LimitError when the device lacks what the kernel needs.
   */
  get(kernel: Kernel): Pipeline {
    const cached = this.#pipelines.get(kernel.key);
    if (cached) return cached;
    const { module, layout, signature } = this.#prepare(kernel);
    this.#device.pushErrorScope('validation');
    const pipeline = this.#device.createComputePipeline({
      label: kernel.key,
      layout: layout.pipeline,
      compute: { module, entryPoint: 'main' },
    });
    this.#checks.push(
      this.#device.popErrorScope().then(async (error) => {
        if (error) this.#failure ??= await describe(kernel, module, error.message);
      }),
    );
    const entry = { pipeline, layout: layout.group, signature };
    this.#pipelines.set(kernel.key, entry);
    return entry;
  }

  /**
   * Compiles kernels in parallel, ahead of their first use.
   *
   * @throws LimitError when the device lacks what a kernel needs.
   * @throws ValidationError that quotes the line of WGSL where one does not compile.
   */
  async compile(kernels: Iterable<Kernel>): Promise<void> {
    const missing = new Map<string, Kernel>();
    for (const kernel of kernels) if (!this.#pipelines.has(kernel.key)) missing.set(kernel.key, kernel);
    await Promise.all(
      [...missing.values()].map(async (kernel) => {
        const { module, layout, signature } = this.#prepare(kernel);
        try {
          const pipeline = await this.#device.createComputePipelineAsync({
            label: kernel.key,
            layout: layout.pipeline,
            compute: { module, entryPoint: 'main' },
          });
          this.#pipelines.set(kernel.key, { pipeline, layout: layout.group, signature });
        } catch (error) {
          throw await describe(kernel, module, (error as Error).message);
        }
      }),
    );
  }

  /**
   * Resolves when every pipeline made so far is known to be valid.
   * @throws ValidationError that quotes the line of WGSL where the first one does not compile.
   */
  async validated(): Promise<void> {
    await Promise.all(this.#checks.splice(0));
    if (this.#failure) throw this.#failure;
  }

  #prepare(kernel: Kernel) {
    const { features = [], invocations = 0, workgroupBytes = 0 } = kernel.requires;
    for (const feature of features) {
      if (!this.#features.has(feature)) {
        throw new LimitError(`Kernel ${kernel.name} needs the feature ${feature}, which this device lacks.`, REMEDY);
      }
    }
    const { limits } = this.#device;
    if (invocations > limits.maxComputeInvocationsPerWorkgroup) {
      throw new LimitError(
        `Kernel ${kernel.name} needs ${invocations} invocations per workgroup; the device's maxComputeInvocationsPerWorkgroup is ${limits.maxComputeInvocationsPerWorkgroup}.`,
        REMEDY,
      );
    }
    if (workgroupBytes > limits.maxComputeWorkgroupStorageSize) {
      throw new LimitError(
        `Kernel ${kernel.name} needs ${workgroupBytes} bytes of workgroup memory; the device's maxComputeWorkgroupStorageSize is ${limits.maxComputeWorkgroupStorageSize}.`,
        REMEDY,
      );
    }
    const bindings = Object.values(kernel.bindings) as Binding[];
    if (bindings.length > MAX_STORAGE_BUFFERS) {
      throw new LimitError(
        `Kernel ${kernel.name} binds ${bindings.length} storage buffers; the portable limit is ${MAX_STORAGE_BUFFERS}.`,
      );
    }
    const signature =
      bindings.map((b) => (b.access === 'read' ? 'r' : 'w')).join('') + (kernel.uniforms.length ? 'u' : '');
    return {
      module: this.#device.createShaderModule({ label: kernel.key, code: kernel.wgsl }),
      layout: this.#layout(signature),
      signature,
    };
  }

  #layout(signature: string) {
    let layout = this.#layouts.get(signature);
    if (!layout) {
      const group = this.#device.createBindGroupLayout({
        label: signature,
        entries: [...signature].map((kind, binding) => ({
          binding,
          visibility: GPUShaderStage.COMPUTE,
          buffer:
            kind === 'u'
              ? { type: 'uniform', hasDynamicOffset: true }
              : { type: kind === 'r' ? 'read-only-storage' : 'storage' },
        })),
      });
      layout = { group, pipeline: this.#device.createPipelineLayout({ bindGroupLayouts: [group] }) };
      this.#layouts.set(signature, layout);
    }
    return layout;
  }
}

/** Quotes the WGSL line that the compiler complains about. */
async function describe(kernel: Kernel, module: GPUShaderModule, message: string): Promise<ValidationError> {
  const quoted = await compilationErrors(module, kernel.wgsl);
  return new ValidationError(
    `Kernel ${kernel.key} does not compile.\n${quoted || quotePipelineError(kernel.wgsl, message, 'main')}`,
  );
}
