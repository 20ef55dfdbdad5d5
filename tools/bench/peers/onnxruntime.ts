/** ONNX Runtime with its WebGPU execution provider, which brings its own Dawn. */
import { createRequire } from 'node:module';
import { operandValues, type Problem, permuted, resultShape, weightShape, xShape, yShape } from '../problem.ts';
import { type Contestant, serve } from './contestant.ts';
import { OnnxGraph } from './onnx.ts';

type Runtime = typeof import('onnxruntime-node');
type Session = import('onnxruntime-node').InferenceSession;
type Tensor = import('onnxruntime-node').Tensor;

let runtime: Runtime;
let format: typeof import('onnx-proto');

/** Compiles a graph for the GPU. Results stay there if `onGpu`. */
async function session(graph: OnnxGraph, onGpu: boolean): Promise<Session> {
  return runtime.InferenceSession.create(format.onnx.ModelProto.encode(graph.model()).finish(), {
    executionProviders: ['webgpu'],
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
    ...(onGpu ? { preferredOutputLocation: 'gpu-buffer' } : {}),
  });
}

/** A graph that hands its input on: to or from the GPU, where the sessions differ. */
function identity(shape: readonly number[]): OnnxGraph {
  const graph = new OnnxGraph();
  graph.output(graph.node('Identity', [graph.input('x', shape)], {}, 'y'), shape);
  return graph;
}

type Operand = readonly [name: string, shape: readonly number[]];

/** A graph whose weights are constants, and its inputs. */
async function exported(problem: Problem): Promise<{ graph: OnnxGraph; inputs: Operand[] } | null> {
  const graph = new OnnxGraph();
  const constant = (name: string, shape: readonly number[], values = operandValues(name, sizeOf(shape))): string =>
    graph.initializer(name, shape, values);
  const input = ([name, shape]: Operand): string => graph.input(name, shape);
  const output = resultShape(problem);
  switch (problem.family) {
    case 'hrnet': {
      const { hrnet } = await import('@cim/model/backbone/index');
      const { hrnetOnnx } = await import('./hrnet-onnx.ts');
      const { networkTensor } = await import('./hrnet-weights.ts');
      const { name, height, width } = problem.shape;
      const { graph } = hrnetOnnx(hrnet(name), [height, width], networkTensor);
      return { graph, inputs: [['image', [1, 3, height, width]]] };
    }
    case 'gemm': {
      const { m, n, k, transposeA, transposeB } = problem.shape;
      if (transposeA) {
        const inputs: Operand[] = [
          ['a', [k, m]],
          ['b', [k, n]],
        ];
        graph.output(graph.node('Gemm', inputs.map(input), { transA: 1 }, 'y'), output);
        return { graph, inputs };
      }
      const a: Operand = ['a', [m, k]];
      const values = operandValues('b', k * n);
      const b = constant('b', [k, n], transposeB ? permuted(values, [n, k], [1, 0]) : values);
      graph.output(graph.node('MatMul', [input(a), b], {}, 'y'), output);
      return { graph, inputs: [a] };
    }
    case 'conv.weightGradient':
      return null;
    default: {
      const s = problem.shape;
      const attributes = {
        kernel_shape: [s.kh, s.kw],
        strides: [s.stride, s.stride],
        pads: new Array<number>(4).fill(s.padding),
        dilations: [s.dilation, s.dilation],
      };
      const weight = constant('weight', weightShape(s));
      if (problem.family === 'conv.forward') {
        const x: Operand = ['x', xShape(s)];
        graph.output(graph.node('Conv', [input(x), weight], attributes, 'y'), output);
        return { graph, inputs: [x] };
      }
      const dy: Operand = ['dy', yShape(s)];
      const rest = (length: number, kernel: number): number =>
        (length + 2 * s.padding - s.dilation * (kernel - 1) - 1) % s.stride;
      const output_padding = [rest(s.h, s.kh), rest(s.w, s.kw)];
      graph.output(graph.node('ConvTranspose', [input(dy), weight], { ...attributes, output_padding }, 'y'), output);
      return { graph, inputs: [dy] };
    }
  }
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
const hostTensor = (values: Float32Array, shape: readonly number[]): Tensor =>
  new runtime.Tensor('float32', values, shape);

/** Runs one value through the GPU: what was submitted before is done when it is back. */
let wait: () => Promise<void>;

const contestant: Contestant = {
  async open() {
    // Both are CommonJS whose exports only `require` sees alike under every loader.
    const require = createRequire(import.meta.url);
    runtime = require('onnxruntime-node');
    format = require('onnx-proto');
    const barrier = await session(identity([1]), false);
    const one = hostTensor(Float32Array.of(1), [1]);
    wait = async () => void (await barrier.run({ x: one }));
    await wait();
  },
  async prepare(problem) {
    const model = await exported(problem);
    if (!model) return null;
    const feeds: Record<string, Tensor> = {};
    // A tensor on the GPU dies with the session that made it.
    const sessions: Session[] = [];
    for (const [name, shape] of model.inputs) {
      const upload = await session(identity(shape), true);
      feeds[name] = (await upload.run({ x: hostTensor(operandValues(name, sizeOf(shape)), shape) })).y;
      sessions.push(upload);
    }
    const download = await session(identity(resultShape(problem)), false);
    await wait();
    sessions.push(download);
    let computation: Session;
    let result: Tensor | undefined;
    return {
      async build() {
        sessions.push((computation = await session(model.graph, true)));
      },
      async run() {
        result?.dispose();
        [result] = Object.values(await computation.run(feeds));
      },
      wait,
      result: async () => (await download.run({ x: result! })).y.data,
      async dispose() {
        for (const tensor of [...Object.values(feeds), result]) tensor?.dispose();
        for (const session of sessions) await session.release();
      },
    };
  },
};

serve(contestant);
