import { functional as F, type Tensor } from '@cim/runtime';
import { ConvBatchNorm, numbered, type Pass, part, sequential } from '../nn/layers.ts';
import type { Scope } from '../nn/parameters.ts';
import type { Backbone } from './backbone.ts';
import { BasicBlock, Bottleneck, Layer } from './blocks.ts';

/** A stage of high-resolution modules; all branches are fused after each module. */
export interface HRNetStage {
  /** How many modules follow each other. */
  readonly modules: number;
  /** Basic blocks of each branch. */
  readonly blocks: readonly number[];
  /** Channels of each branch. */
  readonly channels: readonly number[];
}

/** Sizes of a high-resolution network. */
export interface HRNetConfig {
  /** Tells the backbones of a recipe apart. */
  readonly type: 'hrnet';
  /** Channels of the two strided convolutions before stage 1; 64 in the published networks. */
  readonly stemChannels: number;
  /** Bottleneck blocks at stride 4. */
  readonly stage1: { readonly blocks: number; readonly channels: number };
  /** Stages 2, 3, 4: two, three, four branches. */
  readonly stages: readonly HRNetStage[];
  /**
   * `classification`: the head that gathers all branches at stride 32 (lib/modeling/HRNet.py), with bottleneck
   * widths and final channels. `high-resolution`: the fused first branch at stride 4.
   */
  readonly head:
    | { readonly type: 'classification'; readonly channels: readonly number[]; readonly finalChannels: number }
    | { readonly type: 'high-resolution' };
  /** Stages without gradient, from the stem on (HRNET.FREEZE_AT): 2 freezes stem, layer1, transition1 and stage2. */
  readonly freezeAt: 0 | 1 | 2;
}

/** Branch widths C, 2C, 4C, 8C. */
const widths = (c: number, branches: number): number[] => Array.from({ length: branches }, (_, i) => c * 2 ** i);

/** Blocks and width of stage 1, modules of stages 2 to 4, blocks of every branch, width of the first branch. */
const ARCHITECTURES = {
  w18_small_v1: { stage1: [1, 32], modules: [1, 1, 1], blocks: 2, width: 16 },
  w18_small_v2: { stage1: [2, 64], modules: [1, 3, 2], blocks: 2, width: 18 },
  w18: { stage1: [4, 64], modules: [1, 4, 3], blocks: 4, width: 18 },
  w30: { stage1: [4, 64], modules: [1, 4, 3], blocks: 4, width: 30 },
  w32: { stage1: [4, 64], modules: [1, 4, 3], blocks: 4, width: 32 },
  w40: { stage1: [4, 64], modules: [1, 4, 3], blocks: 4, width: 40 },
  w44: { stage1: [4, 64], modules: [1, 4, 3], blocks: 4, width: 44 },
  w48: { stage1: [4, 64], modules: [1, 4, 3], blocks: 4, width: 48 },
  w64: { stage1: [4, 64], modules: [1, 4, 3], blocks: 4, width: 64 },
} as const;
/** One of {@link HRNET_NAMES}. */
export type HRNetName = keyof typeof ARCHITECTURES;
/** The published widths: those of `experiments/cls_hrnet_*.yaml` of HRNet-Image-Classification. */
export const HRNET_NAMES = Object.keys(ARCHITECTURES) as HRNetName[];

/**
 * A published HRNetV2 with the head of its ImageNet classifier, as CIM uses w48 (experiments/cls_hrnet_*.yaml of
 * HRNet-Image-Classification).
 */
export function hrnet(name: HRNetName, { freezeAt = 2 }: Partial<Pick<HRNetConfig, 'freezeAt'>> = {}): HRNetConfig {
  const { stage1, modules, blocks, width } = ARCHITECTURES[name];
  return {
    type: 'hrnet',
    stemChannels: 64,
    stage1: { blocks: stage1[0], channels: stage1[1] },
    stages: modules.map((count, i) => ({
      modules: count,
      blocks: new Array<number>(i + 2).fill(blocks),
      channels: widths(width, i + 2),
    })),
    head: { type: 'classification', channels: [32, 64, 128, 256], finalChannels: 2048 },
    freezeAt,
  };
}

/** High-resolution network (Sun et al., CVPR 2019; lib/modeling/HRNet.py), of any widths and number of stages. */
export class HRNet implements Backbone {
  readonly channels: number;
  readonly stride: number;
  readonly #padMultiple: number;
  readonly #stem: ConvBatchNorm[];
  readonly #layer1: Layer;
  readonly #transitions: Transition[] = [];
  readonly #stages: HighResolutionModule[][] = [];
  readonly #head: ClassificationHead | null = null;

  /** Adds the parameters to the scope under the names of the original, those of frozen stages without gradient. */
  constructor(scope: Scope, config: HRNetConfig) {
    const { stemChannels, stage1, stages, head, freezeAt } = config;
    const stem = scope.frozen(freezeAt >= 1);
    const halving = { kernel: 3, stride: 2, padding: 1 };
    this.#stem = [
      new ConvBatchNorm(numbered(stem, 1), 3, stemChannels, halving),
      new ConvBatchNorm(numbered(stem, 2), stemChannels, stemChannels, halving),
    ];
    this.#layer1 = new Layer(stem.child('layer1'), Bottleneck, stemChannels, stage1.channels, stage1.blocks);
    let channels: readonly number[] = [this.#layer1.channels];
    stages.forEach((stage, i) => {
      const frozen = scope.frozen(i + 2 <= freezeAt);
      this.#transitions.push(new Transition(frozen.child(`transition${i + 1}`), channels, stage.channels));
      const fusesAll = head.type === 'classification' || i < stages.length - 1;
      this.#stages.push(
        Array.from({ length: stage.modules }, (_, m) => {
          const multiScale = fusesAll || m < stage.modules - 1;
          return new HighResolutionModule(frozen.child(`stage${i + 2}`).child(m), stage, multiScale);
        }),
      );
      channels = stage.channels;
    });
    this.stride = 4;
    this.channels = channels[0];
    if (head.type === 'classification') {
      this.#head = new ClassificationHead(scope, channels, head.channels, head.finalChannels);
      this.channels = head.finalChannels;
      this.stride = 4 * 2 ** (channels.length - 1);
    }
    this.#padMultiple = 4 * 2 ** (channels.length - 1);
  }

  /** @param observe is shown layer1's output and every branch after each stage, named as in the original. */
  forward(pass: Pass, image: Tensor, observe?: (name: string, features: Tensor) => void): Tensor {
    const [, , height, width] = image.shape;
    const bottom = -height & (this.#padMultiple - 1);
    const right = -width & (this.#padMultiple - 1);
    let x = bottom + right > 0 ? F.padBottomRight(pass.tape, image, { bottom, right }) : image;
    for (const layer of this.#stem) x = layer.forward(pass, x, { relu: true });
    let branches = [this.#layer1.forward(pass, x)];
    observe?.('layer1', branches[0]);
    this.#stages.forEach((modules, i) => {
      branches = this.#transitions[i].forward(pass, branches);
      for (const module of modules) branches = module.forward(pass, branches);
      branches.forEach((branch, b) => observe?.(`stage${i + 2}.${b}`, branch));
    });
    return this.#head ? this.#head.forward(pass, branches) : branches[0];
  }
}

/** Adapts widths of the branches there are and opens new ones by strided convolutions of the last. */
class Transition {
  readonly #layers: (ConvBatchNorm[] | null)[];

  constructor(scope: Scope, from: readonly number[], to: readonly number[]) {
    this.#layers = to.map((channels, i) => {
      if (i < from.length) {
        return from[i] === channels
          ? null
          : [new ConvBatchNorm(sequential(scope.child(i)), from[i], channels, { kernel: 3, padding: 1 })];
      }
      const steps = i + 1 - from.length;
      const last = from.at(-1)!;
      return Array.from(
        { length: steps },
        (_, j) =>
          new ConvBatchNorm(sequential(scope.child(i).child(j)), last, j === steps - 1 ? channels : last, {
            kernel: 3,
            stride: 2,
            padding: 1,
          }),
      );
    });
  }

  forward(pass: Pass, branches: Tensor[]): Tensor[] {
    return this.#layers.map((layers, i) =>
      layers === null
        ? branches[i]
        : layers.reduce((x, layer) => layer.forward(pass, x, { relu: true }), branches[i] ?? branches.at(-1)!),
    );
  }
}

/** Parallel branches of basic blocks, then every branch summed into every other (lib/modeling/HRNet.py). */
class HighResolutionModule {
  readonly #branches: Layer[];
  /** `[i][j]` brings branch j to the width and resolution of branch i; null keeps it. */
  readonly #fuse: (ConvBatchNorm[] | null)[][];

  constructor(scope: Scope, { blocks, channels }: HRNetStage, multiScale: boolean) {
    this.#branches = channels.map(
      (width, i) => new Layer(scope.child('branches').child(i), BasicBlock, width, width, blocks[i]),
    );
    const targets = multiScale ? channels : channels.slice(0, 1);
    this.#fuse = targets.map((to, i) =>
      channels.map((from, j) => {
        const path = scope.child('fuse_layers').child(i).child(j);
        if (i === j) return null;
        if (j > i) return [new ConvBatchNorm(sequential(path), from, to, { kernel: 1 })];
        return Array.from(
          { length: i - j },
          (_, k) =>
            new ConvBatchNorm(sequential(path.child(k)), from, k === i - j - 1 ? to : from, {
              kernel: 3,
              stride: 2,
              padding: 1,
            }),
        );
      }),
    );
  }

  forward(pass: Pass, inputs: Tensor[]): Tensor[] {
    const branches = inputs.map((input, i) => part(pass, [input], (own, [x]) => this.#branches[i].forward(own, x)));
    return this.#fuse.map((_, i) => part(pass, branches, (own, all) => this.#fused(own, i, all)));
  }

  /** All branches at the width and resolution of branch i, summed. */
  #fused(pass: Pass, i: number, branches: readonly Tensor[]): Tensor {
    const row = this.#fuse[i];
    const last = row.findLastIndex((path) => path !== null);
    let sum = branches[i];
    row.forEach((path, j) => {
      if (path === null) return;
      const relu = j === last;
      if (j > i) {
        sum = F.addUpsampled(pass.tape, sum, path[0].forward(pass, branches[j]), 2 ** (j - i), { relu });
        return;
      }
      const hidden = path.slice(0, -1).reduce((x, layer) => layer.forward(pass, x, { relu: true }), branches[j]);
      sum = path.at(-1)!.forward(pass, hidden, { residual: sum, relu });
    });
    return sum;
  }
}

/** Bottlenecks widen every branch, strided convolutions carry them to the lowest resolution, a 1×1 convolution ends. */
class ClassificationHead {
  readonly #increase: Layer[];
  readonly #downsample: ConvBatchNorm[];
  readonly #final: ConvBatchNorm;

  constructor(scope: Scope, branches: readonly number[], channels: readonly number[], finalChannels: number) {
    this.#increase = branches.map(
      (from, i) => new Layer(scope.child('incre_modules').child(i), Bottleneck, from, channels[i], 1),
    );
    this.#downsample = this.#increase.slice(1).map((layer, i) => {
      const path = sequential(scope.child('downsamp_modules').child(i));
      const options = { kernel: 3, stride: 2, padding: 1, bias: true };
      return new ConvBatchNorm(path, this.#increase[i].channels, layer.channels, options);
    });
    const final = sequential(scope.child('final_layer'));
    this.#final = new ConvBatchNorm(final, this.#increase.at(-1)!.channels, finalChannels, { kernel: 1, bias: true });
  }

  forward(pass: Pass, branches: Tensor[]): Tensor {
    let y = this.#increase[0].forward(pass, branches[0]);
    this.#downsample.forEach((layer, i) => {
      const lowered = layer.forward(pass, y, { relu: true });
      y = F.add(pass.tape, this.#increase[i + 1].forward(pass, branches[i + 1]), lowered);
    });
    return this.#final.forward(pass, y, { relu: true });
  }
}
