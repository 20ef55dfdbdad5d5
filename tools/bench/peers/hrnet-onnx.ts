/** HRNet as an ONNX model, as PyTorch would export it for inference: batch norms are nodes of their own. */
import type { HRNetConfig, HRNetStage } from '@cim/model/backbone/hrnet';
import { OnnxGraph } from './onnx.ts';

/** The values of a tensor of the state dict. */
export type Weights = (name: string, shape: readonly number[]) => Float32Array;

interface Feature {
  readonly value: string;
  readonly channels: number;
  /** Pixels along each axis, of the image's. */
  readonly height: number;
  readonly width: number;
}

interface ConvOptions {
  readonly kernel: number;
  readonly stride?: number;
  readonly bias?: boolean;
}

/**
 * Of images [1,3,height,width], both multiples of 32, to features [1,finalChannels,height/32,width/32]. `flops` are those
 * of the convolutions, a multiply-add counts 2.
 */
export function hrnetOnnx(
  config: HRNetConfig,
  [height, width]: readonly [number, number],
  weights: Weights,
): { graph: OnnxGraph; flops: number } {
  const graph = new OnnxGraph();
  const net = new Builder(graph, weights);
  const { head, stage1, stemChannels, stages } = config;
  if (head.type !== 'classification') throw new RangeError(`An HRNet with a ${head.type} head is not exported.`);

  let x: Feature = { value: graph.input('image', [1, 3, height, width]), channels: 3, height, width };
  for (const i of [1, 2]) {
    x = net.norm(`bn${i}`, net.conv(`conv${i}`, x, stemChannels, { kernel: 3, stride: 2 }));
    x = net.relu(x);
  }
  for (let i = 0; i < stage1.blocks; i++) x = net.bottleneck(`layer1.${i}`, x, stage1.channels);

  let branches = [x];
  stages.forEach((stage, i) => {
    branches = net.transition(`transition${i + 1}`, branches, stage.channels);
    for (let m = 0; m < stage.modules; m++) branches = net.module(`stage${i + 2}.${m}`, branches, stage);
  });

  const wide = branches.map((branch, i) => net.bottleneck(`incre_modules.${i}.0`, branch, head.channels[i]));
  let y = wide[0];
  wide.slice(1).forEach((branch, i) => {
    const path = `downsamp_modules.${i}`;
    const lowered = net.conv(`${path}.0`, y, branch.channels, { kernel: 3, stride: 2, bias: true });
    y = net.add(branch, net.relu(net.norm(`${path}.1`, lowered)));
  });
  const last = net.conv('final_layer.0', y, head.finalChannels, { kernel: 1, bias: true });
  const features = net.relu(net.norm('final_layer.1', last), 'features');
  graph.output(features.value, [1, head.finalChannels, height / 32, width / 32]);
  return { graph, flops: net.flops };
}

/** Layers under their names in the state dict. */
class Builder {
  flops = 0;
  readonly #graph: OnnxGraph;
  readonly #weights: Weights;
  readonly #scales = new Set<number>();

  constructor(graph: OnnxGraph, weights: Weights) {
    this.#graph = graph;
    this.#weights = weights;
  }

  #tensor(name: string, shape: readonly number[]): string {
    return this.#graph.initializer(name, shape, this.#weights(name, shape));
  }

  /** Padded to keep the size at stride 1. */
  conv(path: string, x: Feature, to: number, { kernel, stride = 1, bias = false }: ConvOptions): Feature {
    const inputs = [x.value, this.#tensor(`${path}.weight`, [to, x.channels, kernel, kernel])];
    const [height, width] = [x.height / stride, x.width / stride];
    this.flops += 2 * height * width * to * x.channels * kernel ** 2;
    if (bias) inputs.push(this.#tensor(`${path}.bias`, [to]));
    const attributes = {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: new Array<number>(4).fill((kernel - 1) / 2),
    };
    return { value: this.#graph.node('Conv', inputs, attributes), channels: to, height, width };
  }

  norm(path: string, x: Feature): Feature {
    const state = ['weight', 'bias', 'running_mean', 'running_var'].map((name) =>
      this.#tensor(`${path}.${name}`, [x.channels]),
    );
    return { ...x, value: this.#graph.node('BatchNormalization', [x.value, ...state]) };
  }

  relu(x: Feature, name?: string): Feature {
    return { ...x, value: this.#graph.node('Relu', [x.value], {}, name) };
  }

  add(a: Feature, b: Feature): Feature {
    return { ...a, value: this.#graph.node('Add', [a.value, b.value]) };
  }

  /** Repeats every pixel `scale` times along both axes. */
  #enlarge(x: Feature, scale: number): Feature {
    const name = `scales${scale}`;
    if (!this.#scales.has(scale)) this.#graph.initializer(name, [4], Float32Array.of(1, 1, scale, scale));
    this.#scales.add(scale);
    const attributes = { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };
    const value = this.#graph.node('Resize', [x.value, '', name], attributes);
    return { ...x, value, height: x.height * scale, width: x.width * scale };
  }

  /** Convolution and batch norm, `0` and `1` below the path. */
  convNorm(path: string, x: Feature, to: number, options: ConvOptions): Feature {
    return this.norm(`${path}.1`, this.conv(`${path}.0`, x, to, options));
  }

  basicBlock(path: string, x: Feature): Feature {
    const { channels } = x;
    const hidden = this.relu(this.norm(`${path}.bn1`, this.conv(`${path}.conv1`, x, channels, { kernel: 3 })));
    const y = this.norm(`${path}.bn2`, this.conv(`${path}.conv2`, hidden, channels, { kernel: 3 }));
    return this.relu(this.add(y, x));
  }

  bottleneck(path: string, x: Feature, width: number): Feature {
    const to = 4 * width;
    const reduced = this.relu(this.norm(`${path}.bn1`, this.conv(`${path}.conv1`, x, width, { kernel: 1 })));
    const hidden = this.relu(this.norm(`${path}.bn2`, this.conv(`${path}.conv2`, reduced, width, { kernel: 3 })));
    const y = this.norm(`${path}.bn3`, this.conv(`${path}.conv3`, hidden, to, { kernel: 1 }));
    const residual = x.channels === to ? x : this.convNorm(`${path}.downsample`, x, to, { kernel: 1 });
    return this.relu(this.add(y, residual));
  }

  transition(path: string, branches: readonly Feature[], widths: readonly number[]): Feature[] {
    return widths.map((width, i) => {
      const from = branches[i];
      if (from) {
        return from.channels === width ? from : this.relu(this.convNorm(`${path}.${i}`, from, width, { kernel: 3 }));
      }
      let x = branches.at(-1)!;
      const steps = i + 1 - branches.length;
      for (let j = 0; j < steps; j++) {
        const to = j === steps - 1 ? width : x.channels;
        x = this.relu(this.convNorm(`${path}.${i}.${j}`, x, to, { kernel: 3, stride: 2 }));
      }
      return x;
    });
  }

  module(path: string, inputs: readonly Feature[], { blocks }: HRNetStage): Feature[] {
    const branches = inputs.map((input, i) => {
      let x = input;
      for (let b = 0; b < blocks[i]; b++) x = this.basicBlock(`${path}.branches.${i}.${b}`, x);
      return x;
    });
    return branches.map((target, i) => {
      const terms = branches.map((branch, j) => this.#fused(`${path}.fuse_layers.${i}.${j}`, branch, target, j - i));
      return this.relu(terms.reduce((sum, term) => this.add(sum, term)));
    });
  }

  /** A branch at the width and resolution of another that is `distance` branches above it; below if negative. */
  #fused(path: string, branch: Feature, { channels }: Feature, distance: number): Feature {
    if (distance === 0) return branch;
    if (distance > 0) return this.#enlarge(this.convNorm(path, branch, channels, { kernel: 1 }), 2 ** distance);
    let x = branch;
    for (let k = 0; k < -distance; k++) {
      const last = k === -distance - 1;
      const y = this.convNorm(`${path}.${k}`, x, last ? channels : x.channels, { kernel: 3, stride: 2 });
      x = last ? y : this.relu(y);
    }
    return x;
  }
}
