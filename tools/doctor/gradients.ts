import { type Device, functional, Generator, Tape, type Tensor } from '@cim/runtime';

export interface GradientCheck {
  readonly name: string;
  /** The derivative of the loss along one random direction, by the tape. */
  readonly analytic: number;
  /** The same by a central difference. */
  readonly numeric: number;
  readonly ok: boolean;
}

/** Odd sizes, small enough for a second of SwiftShader. */
const [BATCH, CHANNELS, SIZE, FILTERS, OUTPUTS] = [3, 5, 9, 7, 6];
const STEP = 1e-2;
/** The truncation of the difference and the rounding of f32 sums stay below; a wrong kernel does not. */
const TOLERANCE = 0.01;

const SHAPES = {
  image: [BATCH, CHANNELS, SIZE, SIZE],
  'conv weight': [FILTERS, CHANNELS, 3, 3],
  'norm weight': [FILTERS],
  'norm bias': [FILTERS],
  'linear weight': [OUTPUTS, FILTERS * SIZE * SIZE],
  'linear bias': [OUTPUTS],
} as const;
type Name = keyof typeof SHAPES;
const NAMES = Object.keys(SHAPES) as Name[];
type Values = Record<Name, Float32Array>;

const elements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

function normals(shape: readonly number[], generator: Generator, scale: number): Float32Array {
  return Float32Array.from({ length: elements(shape) }, () => scale * generator.normal());
}

/** Differentiates a small network on the device and compares with finite differences, input by input. */
export async function checkGradients(device: Device): Promise<GradientCheck[]> {
  const generator = new Generator(1);
  const values = Object.fromEntries(NAMES.map((name) => [name, normals(SHAPES[name], generator, 0.3)])) as Values;
  // Channels alternate between all active and all inactive: no activation crosses the corner of the ReLU within a step.
  values['norm bias'].forEach((_, channel, bias) => {
    bias[channel] = channel % 2 === 0 ? 2 : -2;
  });
  const weights = normals([BATCH, OUTPUTS], generator, 1);
  const gradients = await differentiate(device, values, weights);
  const results: GradientCheck[] = [];
  for (const name of NAMES) {
    const direction = normals(SHAPES[name], generator, 1);
    const length = Math.sqrt(direction.reduce((sum, d) => sum + d * d, 0));
    const moved = (sign: number): Values => ({
      ...values,
      [name]: values[name].map((v, i) => v + (sign * STEP * direction[i]) / length),
    });
    const numeric = ((await loss(device, moved(1), weights)) - (await loss(device, moved(-1), weights))) / (2 * STEP);
    const analytic = direction.reduce((sum, d, i) => sum + d * gradients[name][i], 0) / length;
    const norm = Math.sqrt(gradients[name].reduce((sum, g) => sum + g * g, 0) / direction.length);
    results.push({
      name,
      analytic,
      numeric,
      ok: Math.abs(analytic - numeric) <= TOLERANCE * Math.max(norm, Math.abs(numeric)),
    });
  }
  return results;
}

function forward(tape: Tape, inputs: Record<Name, Tensor>): Tensor {
  const { device } = tape;
  const convolved = functional.conv2d(tape, inputs.image, inputs['conv weight'], null, { padding: 1 });
  const statistics = { runningMean: device.zeros([FILTERS]), runningVar: device.zeros([FILTERS]) };
  const normalised = functional.batchNorm(
    tape,
    convolved,
    { weight: inputs['norm weight'], bias: inputs['norm bias'], ...statistics },
    { training: true, relu: true },
  );
  const rows = tape.reshape(normalised, [BATCH, FILTERS * SIZE * SIZE]);
  return functional.linear(tape, rows, inputs['linear weight'], inputs['linear bias']);
}

function upload(device: Device, values: Values): Record<Name, Tensor> {
  return Object.fromEntries(NAMES.map((name) => [name, device.tensor(values[name], SHAPES[name])])) as Record<
    Name,
    Tensor
  >;
}

/** Σ output·weights. */
async function loss(device: Device, values: Values, weights: Float32Array): Promise<number> {
  const output = device.scope(() => forward(new Tape(device, { recording: false }), upload(device, values)));
  const data = (await output.read()) as Float32Array;
  output.dispose();
  return data.reduce((sum, v, i) => sum + v * weights[i], 0);
}

async function differentiate(device: Device, values: Values, weights: Float32Array): Promise<Values> {
  const tape = new Tape(device);
  const inputs = upload(device, values);
  for (const name of NAMES) {
    inputs[name].requiresGrad = true;
    tape.keep(inputs[name]);
  }
  const output = forward(tape, inputs);
  tape.backward(output, device.tensor(weights, output.shape));
  const gradients = {} as Values;
  for (const name of NAMES) gradients[name] = (await tape.gradient(inputs[name])!.read()) as Float32Array;
  return gradients;
}
