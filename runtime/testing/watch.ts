/**
 * Watches a GPUDevice during a test: what is made and not destroyed, errors that no scope catches, maps and error scopes
 * left open, loss. Methods of this one device object are wrapped meanwhile, so that it sees anybody's code.
 */
import type { Device } from '../device.ts';
import { compilationErrors, quotePipelineError } from '../diagnostics.ts';
import type { Tensor } from '../tensor.ts';

/** Something that a test must not leave behind. */
export interface Finding {
  /** Which check found it. */
  readonly kind: 'resources' | 'errors' | 'maps' | 'scopes' | 'loss';
  /** What is wrong, and where it was made. */
  readonly message: string;
}

type Destroyable = (GPUBuffer | GPUTexture | GPUQuerySet) & { readonly size?: number };
type Method = (...values: never[]) => unknown;
interface Made {
  readonly what: string;
  readonly place: string;
  destroyed: boolean;
}

/** The watch of one test: from its construction to {@link finish}. */
export class Watch {
  readonly #gpu: GPUDevice;
  readonly #device: Device | undefined;
  readonly #made = new Map<Destroyable, Made>();
  readonly #maps = new Map<GPUBuffer, string>();
  readonly #tensors = new Map<Tensor, string>();
  readonly #codes = new WeakMap<GPUShaderModule, string>();
  readonly #checks: Promise<void>[] = [];
  readonly #findings: Finding[] = [];
  readonly #rejections = new WeakMap<object, Promise<string>>();
  /** Where the error scopes that are open were pushed. */
  readonly #scopes: string[] = [];
  readonly #restore: (() => void)[] = [];
  readonly #nativeLost: Promise<GPUDeviceLostInfo>;
  #loss: GPUDeviceLostInfo | undefined;
  #resolveLost: (info: GPUDeviceLostInfo) => void = () => {};
  #losing = false;

  /** `device` is what owns the GPUDevice, where it is one of ours: tensors are watched in place of its pooled buffers. */
  constructor(gpu: GPUDevice, device?: Device) {
    this.#gpu = gpu;
    this.#device = device;
    this.#watchResources();
    this.#watchScopes();
    this.#watchPipelines();
    gpu.addEventListener('uncapturederror', this.#onError);
    this.#nativeLost = gpu.lost;
    const lost = new Promise<GPUDeviceLostInfo>((resolve) => {
      this.#resolveLost = resolve;
    });
    void this.#nativeLost.then((info) => {
      this.#loss = info;
      this.#resolveLost(info);
    });
    this.#override(gpu, 'lost', lost);
    if (device) {
      const track = device.track.bind(device);
      const watched = (tensor: Tensor): void => {
        if (!this.#tensors.has(tensor)) this.#tensors.set(tensor, callSite(watched));
        track(tensor);
      };
      this.#override(device, 'track', watched);
    }
  }

  /** Whether the device is of no use any more to other tests. */
  get lost(): boolean {
    return this.#loss !== undefined;
  }

  /** Loses the device: `gpu.lost` resolves with the reason, and everything that is asked of it fails from now on. */
  async lose(reason: GPUDeviceLostReason): Promise<void> {
    this.#losing = true;
    this.#resolveLost({ reason, message: 'The test lost the device.' } as GPUDeviceLostInfo);
    this.#gpu.destroy();
    await this.#nativeLost;
  }

  /** The line of WGSL that a rejected pipeline is about, if it is what the test failed with. */
  async explain(failure: unknown): Promise<string | undefined> {
    return typeof failure === 'object' && failure !== null ? this.#rejections.get(failure) : undefined;
  }

  /** Waits for the GPU, ends the watch and tells what was found. */
  async finish(): Promise<Finding[]> {
    const device = this.#device;
    if (!this.lost) {
      device?.flush();
      const done = this.#gpu.queue.onSubmittedWorkDone().catch(() => {});
      await (device ? device.patiently(done) : done);
      await Promise.all(this.#checks);
      // Errors are told in a task of their own.
      await new Promise((resolve) => setTimeout(resolve, 0));
      // A loss may be told as late as here.
      await device?.check().catch((error: Error) => this.lost || this.#find('errors', error.message));
    }
    this.#gpu.removeEventListener('uncapturederror', this.#onError);
    for (const restore of this.#restore) restore();

    for (const place of this.#scopes) this.#find('scopes', `An error scope pushed at ${place} was not popped.`);
    if (this.lost) {
      if (!this.#losing) this.#find('loss', `The device was lost (${this.#loss?.reason}): ${this.#loss?.message}`);
      return this.#findings;
    }
    for (const [buffer, place] of this.#maps) {
      if (this.#made.get(buffer)?.destroyed) continue;
      const { mapState } = buffer;
      if (mapState === 'pending') this.#find('maps', `A mapAsync of ${nameOf(buffer)}, at ${place}, was not awaited.`);
      if (mapState === 'mapped') this.#find('maps', `${nameOf(buffer)}, mapped at ${place}, was not unmapped.`);
    }
    for (const [resource, { what, place, destroyed }] of this.#made) {
      if (destroyed || device?.memory.owns(resource as GPUBuffer)) continue;
      this.#find('resources', `${what}, made at ${place}, was not destroyed.`);
    }
    for (const [tensor, place] of this.#tensors) {
      if (tensor.disposed) continue;
      this.#find('resources', `A tensor [${tensor.shape}] of ${tensor.dtype}, made at ${place}, was not disposed.`);
    }
    return this.#findings;
  }

  #find(kind: Finding['kind'], message: string): void {
    this.#findings.push({ kind, message });
  }

  #onError = (event: Event): void => {
    event.preventDefault();
    this.#find('errors', (event as GPUUncapturedErrorEvent).error.message.trim());
  };

  /** Replaces a method of the device for the time of the watch. `by` is given the method and where it was called. */
  #wrap<K extends keyof GPUDevice>(
    name: K,
    by: (call: () => ReturnType<never>, place: string, values: never[]) => unknown,
  ) {
    const original = this.#gpu[name] as unknown as Method;
    const wrapper = (...values: never[]): unknown =>
      by(() => original.apply(this.#gpu, values) as never, callSite(wrapper), values);
    this.#override(this.#gpu, name, wrapper);
  }

  /** Sets a property of this one object until the watch ends. */
  #override(target: object, name: string, value: unknown): void {
    const own = Object.getOwnPropertyDescriptor(target, name);
    Object.defineProperty(target, name, { configurable: true, writable: true, value });
    this.#restore.push(() => {
      if (own) Object.defineProperty(target, name, own);
      else delete (target as Record<string, unknown>)[name];
    });
  }

  #watchResources(): void {
    for (const name of ['createBuffer', 'createTexture', 'createQuerySet'] as const) {
      this.#wrap(name, (call, place) => {
        const resource = call() as Destroyable;
        const made: Made = { what: nameOf(resource), place, destroyed: false };
        this.#made.set(resource, made);
        const destroy = resource.destroy.bind(resource) as () => undefined;
        resource.destroy = () => {
          made.destroyed = true;
          destroy();
        };
        if ('mapAsync' in resource) this.#watchMap(resource);
        return resource;
      });
    }
  }

  #watchMap(buffer: GPUBuffer): void {
    const mapAsync = buffer.mapAsync.bind(buffer);
    buffer.mapAsync = (...values) => {
      this.#maps.set(buffer, callSite(buffer.mapAsync));
      return mapAsync(...values);
    };
    if (buffer.mapState === 'mapped') this.#maps.set(buffer, this.#made.get(buffer)!.place);
  }

  #watchScopes(): void {
    this.#wrap('pushErrorScope', (call, place) => {
      this.#scopes.push(place);
      return call();
    });
    this.#wrap('popErrorScope', (call) => {
      this.#scopes.pop();
      return call();
    });
  }

  #watchPipelines(): void {
    this.#wrap('createShaderModule', (call, place, [{ code }]: { code: string }[]) => {
      const module: GPUShaderModule = this.#inScope(call, async (error, made) => {
        const quoted = await compilationErrors(made, code);
        return `A shader module made at ${place} does not compile.\n${quoted || error.message.trim()}`;
      });
      this.#codes.set(module, code);
      return module;
    });
    for (const name of ['createComputePipeline', 'createRenderPipeline'] as const) {
      this.#wrap(name, (call, place, [descriptor]) =>
        this.#inScope(call, async (error) => {
          const explained = await this.#explainPipeline(descriptor, error.message);
          return `A pipeline made at ${place} is not valid.\n${explained}`;
        }),
      );
    }
    for (const name of ['createComputePipelineAsync', 'createRenderPipelineAsync'] as const) {
      this.#wrap(name, (call, place, [descriptor]) => {
        const pipeline: Promise<unknown> = call();
        pipeline.catch((error: Error) => {
          const explained = this.#explainPipeline(descriptor, error.message);
          this.#rejections.set(
            error,
            explained.then((text) => `A pipeline made at ${place} is not valid.\n${text}`),
          );
        });
        return pipeline;
      });
    }
  }

  /** Calls in an error scope of its own, unless the test has one open: the error is the test's then. */
  #inScope<T>(call: () => T, describe: (error: GPUError, made: T) => Promise<string>): T {
    if (this.#scopes.length > 0) return call();
    this.#gpu.pushErrorScope('validation');
    const made = call();
    const popped = this.#gpu.popErrorScope();
    const check = async (): Promise<void> => {
      const error = await popped;
      if (error) this.#find('errors', await describe(error, made));
    };
    this.#checks.push(check().catch(() => {}));
    return made;
  }

  async #explainPipeline(descriptor: object, message: string): Promise<string> {
    for (const stage of ['compute', 'vertex', 'fragment'] as const) {
      const { module, entryPoint } = (descriptor as Record<string, GPUProgrammableStage | undefined>)[stage] ?? {};
      const code = module && this.#codes.get(module);
      if (!code) continue;
      return (await compilationErrors(module, code)) || quotePipelineError(code, message, entryPoint);
    }
    return message.trim();
  }
}

function nameOf(resource: Destroyable): string {
  const label = resource.label ? ` "${resource.label}"` : '';
  if ('mapAsync' in resource) return `A buffer${label} of ${resource.size} bytes`;
  if ('createView' in resource) {
    const { width, height, depthOrArrayLayers, format } = resource;
    return `A texture${label} of ${width}×${height}×${depthOrArrayLayers} ${format}`;
  }
  return `A query set${label} of ${resource.count} ${resource.type} queries`;
}

/** Methods of the runtime that make things for whoever calls them. */
const OURS = /\bat (?:new |async )?_?(?:Device|Tensor|Storage|MemoryPool)\b/;

/** The line of the test that called `wrapper`. */
function callSite(wrapper: unknown): string {
  const holder: { stack?: string } = {};
  const { captureStackTrace } = Error as { captureStackTrace?: (holder: object, above: unknown) => void };
  if (captureStackTrace) captureStackTrace(holder, wrapper);
  else holder.stack = new Error().stack;
  const lines = (holder.stack ?? '').split('\n').filter((line) => /:\d+:\d+\)?$/.test(line));
  const line = lines.find((one) => !OURS.test(one)) ?? lines[0] ?? 'an unknown place';
  return line.trim().replace(/^at (?:.*\()?|\)$/g, '');
}
