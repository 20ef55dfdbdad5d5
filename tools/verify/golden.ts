import type { ParameterStore } from '@cim/model/nn/parameters';
import type { Device, Parameter, Tensor } from '@cim/runtime';
import { DataError } from '../errors.ts';
import type { LazySafeTensor, SafeTensor, Safetensors } from '../formats/safetensors-content.ts';

/** Inputs and outputs of the original program, one .safetensors file (test/golden/README.md has the conventions). */
export class Golden {
  readonly name: string;
  readonly #file: string;
  readonly #metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, SafeTensor>;

  /** @param file whose content it is. */
  static async read(file: string, { metadata, tensors }: Safetensors<LazySafeTensor>): Promise<Golden> {
    const whole = new Map<string, SafeTensor>();
    for (const [name, { dtype, shape, read }] of tensors)
      whole.set(name, { dtype, shape, data: await read() } as SafeTensor);
    return new Golden(file, metadata, whole);
  }

  private constructor(
    file: string,
    metadata: Readonly<Record<string, string>>,
    tensors: ReadonlyMap<string, SafeTensor>,
  ) {
    this.name = file.replace(/^.*[\\/]|\.safetensors$/g, '');
    this.#file = file;
    this.#metadata = metadata;
    this.tensors = tensors;
  }

  /** The same file with other names behind the prefixes `in.`, `param.`, `grad.` and `out.`. */
  renamed(rename: (name: string) => string): Golden {
    const names = [...this.tensors].map(([name, tensor]) => {
      const start = name.indexOf('.') + 1;
      return [name.slice(0, start) + rename(name.slice(start)), tensor] as const;
    });
    return new Golden(this.#file, this.#metadata, new Map(names));
  }

  has(name: string): boolean {
    return this.tensors.has(name);
  }

  /** Names of what is said beside the tensors. */
  get options(): string[] {
    return Object.keys(this.#metadata);
  }

  /** An option; numbers, booleans and lists are parsed. @throws DataError when the file lacks it. */
  option<T = number>(name: string, fallback?: T): T {
    const text = this.#metadata[name];
    if (text === undefined) {
      if (fallback !== undefined) return fallback;
      throw new DataError(`${this.#file} lacks the option "${name}".`, 'Use golden files of the documented format.');
    }
    try {
      return JSON.parse(text) as T;
    } catch {
      return text as T;
    }
  }

  /** The elements of a tensor, whatever its dtype. @throws DataError when the file lacks it. */
  data(name: string): Float32Array {
    return Float32Array.from(this.#get(name).data as Float32Array);
  }
  /** A tensor of bytes. */
  bytes(name: string): Uint8Array {
    return Uint8Array.from(this.#get(name).data as Uint8Array);
  }
  shape(name: string): readonly number[] {
    return this.#get(name).shape;
  }
  scalar(name: string): number {
    return this.data(name)[0];
  }

  /** Uploads a tensor as f32. With `grad` its gradient is wanted. */
  tensor(device: Device, name: string, { grad = false } = {}): Tensor {
    const tensor = device.tensor(this.data(name), this.shape(name));
    tensor.requiresGrad = grad;
    return tensor;
  }

  /** Uploads a tensor as a parameter with an empty gradient. */
  parameter(device: Device, name: string): Parameter {
    const parameter = this.tensor(device, name, { grad: true }) as Parameter;
    parameter.grad = device.zeros(parameter.shape);
    parameter.touched = false;
    return parameter;
  }

  /** Tensors under a prefix, by the rest of their names. */
  *group(prefix: string): Iterable<[string, SafeTensor]> {
    for (const [name, tensor] of this.tensors) if (name.startsWith(prefix)) yield [name.slice(prefix.length), tensor];
  }

  /** Loads `param.*` into a model's parameters, all of them. */
  async load(parameters: ParameterStore): Promise<void> {
    await parameters.load(
      new Map(
        [...this.group('param.')].map(([name, { shape, data }]) => [name, { shape, data: data as Float32Array }]),
      ),
    );
  }

  #get(name: string): SafeTensor {
    const tensor = this.tensors.get(name);
    if (!tensor)
      throw new DataError(`${this.#file} lacks the tensor "${name}".`, 'Use golden files of the documented format.');
    return tensor;
  }
}
