/** ONNX models as objects, to be encoded by the format's own protobuf definitions. */

/** Values of ONNX' enumerations. */
const FLOAT = 1;
const ATTRIBUTE = { int: 2, string: 3, ints: 7 };
/** Versions of the file format and of the operators: the first that have all we use. */
const IR_VERSION = 8;
const OPSET = 17;

export type Attribute = number | string | readonly number[];

/** A graph under construction. Values are known by name. */
export class OnnxGraph {
  readonly #nodes: object[] = [];
  readonly #initializers: object[] = [];
  readonly #inputs: object[] = [];
  readonly #outputs: object[] = [];

  input(name: string, shape: readonly number[]): string {
    this.#inputs.push(valueInfo(name, shape));
    return name;
  }

  output(name: string, shape: readonly number[]): void {
    this.#outputs.push(valueInfo(name, shape));
  }

  /** A constant, f32, row-major. */
  initializer(name: string, shape: readonly number[], values: Float32Array): string {
    const rawData = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    this.#initializers.push({ name, dims: shape, dataType: FLOAT, rawData });
    return name;
  }

  /**
   * Adds an operator with one output, which is named `output` or after the operator. An input '' is left out. Attributes
   * are integers, lists of integers or strings.
   */
  node(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    output?: string,
  ) {
    const name = output ?? `${opType}${this.#nodes.length}`;
    const attribute = Object.entries(attributes).map(([name, value]) => ({ name, ...attributeValue(value) }));
    this.#nodes.push({ name, opType, input: inputs, output: [name], attribute });
    return name;
  }

  /** In the shape of ONNX' ModelProto. */
  model() {
    return {
      irVersion: IR_VERSION,
      opsetImport: [{ domain: '', version: OPSET }],
      graph: {
        name: 'graph',
        node: this.#nodes,
        initializer: this.#initializers,
        input: this.#inputs,
        output: this.#outputs,
      },
    };
  }
}

const valueInfo = (name: string, shape: readonly number[]): object => ({
  name,
  type: { tensorType: { elemType: FLOAT, shape: { dim: shape.map((dimValue) => ({ dimValue })) } } },
});

function attributeValue(value: Attribute): object {
  if (typeof value === 'number') return { type: ATTRIBUTE.int, i: value };
  if (typeof value === 'string') return { type: ATTRIBUTE.string, s: new TextEncoder().encode(value) };
  return { type: ATTRIBUTE.ints, ints: value };
}
