import {
  type BackboneConfig,
  createBackbone,
  type HRNetConfig,
  type ResNetConfig,
  type VggConfig,
} from '@cim/model/backbone/index';
import { ParameterStore } from '@cim/model/nn/parameters';
import { Generator, isParameter } from '@cim/runtime';
import type { CaseKind, Check } from '../case.ts';
import { type Comparison, compare, type Tolerance, tolerances } from '../compare.ts';
import type { Golden } from '../golden.ts';
import { fullNetworks } from './full-networks.ts';

/** The gradient of the detector's bias is zero in exact arithmetic: what is stored is rounding noise. */
const NOISE: Tolerance = { relative: 0, factor: 0, absolute: 1e-6 };

/** Compares `grad.*` of every parameter, and that parameters without one in the file were left alone. */
export async function parameterGradients(
  golden: Golden,
  store: ParameterStore,
  tolerance: Tolerance,
): Promise<Comparison[]> {
  const comparisons: Comparison[] = [];
  for (const [name, tensor] of store.tensors) {
    const target = `grad.${name}`;
    const touched = isParameter(tensor) && tensor.touched;
    if (golden.has(target)) {
      const actual = touched ? await tensor.grad.read() : [];
      comparisons.push(
        compare(target, actual, golden.data(target), name.endsWith('detector.bias') ? NOISE : tolerance),
      );
    } else if (touched) {
      comparisons.push({ tensor: `${target} (must not exist)`, maxError: Infinity, tolerance: 0, passed: false });
    }
  }
  return comparisons;
}

interface GoldenStage {
  readonly num_modules: number;
  readonly num_blocks: number[];
  readonly num_channels: number[];
}

/** The configuration that a golden file's options describe. */
export function hrnetConfigOf(golden: Golden): HRNetConfig {
  const { s1, ...rest } = golden.option<Record<'s1' | 's2' | 's3' | 's4', GoldenStage>>('stages');
  return {
    type: 'hrnet',
    stemChannels: golden.option('stem_channels'),
    stage1: { blocks: s1.num_blocks[0], channels: s1.num_channels[0] },
    stages: Object.values(rest).map((stage) => ({
      modules: stage.num_modules,
      blocks: stage.num_blocks,
      channels: stage.num_channels,
    })),
    head: {
      type: 'classification',
      channels: golden.option<number[]>('head_channels'),
      finalChannels: golden.option('final_channels'),
    },
    freezeAt: golden.option<0 | 1 | 2>('FREEZE_AT', 2),
  };
}

/** The configuration of a torchvision ResNet that a golden file's options describe. */
export const resnetConfigOf = (golden: Golden, freezeAt: number, stages: number): ResNetConfig => ({
  type: 'resnet',
  stemChannels: golden.option('stem_channels'),
  planes: golden.option('base_planes'),
  blocks: golden.option<number[]>('layers').slice(0, stages),
  freezeAt,
});

const vggConfigOf = (golden: Golden): VggConfig => ({
  type: 'vgg',
  channels: golden.option<number[]>('channels'),
  dilated: true,
  freezeAt: golden.option('FREEZE_AT'),
});

/** A backbone alone: its output, what it shows of its inside, and the gradients of its parameters. */
const backboneCheck =
  (configOf: (golden: Golden) => BackboneConfig): Check =>
  async (device, golden, newTape) => {
    const store = new ParameterStore(device, new Generator(0));
    const backbone = createBackbone(store.scope(), configOf(golden));
    await golden.load(store);
    const tape = newTape();
    const stages = new Map<string, Promise<ArrayLike<number>>>();
    const y = tape.keep(
      backbone.forward({ tape, batchStatistics: false }, golden.tensor(device, 'in.x'), (name, tensor) => {
        if (golden.has(`out.${name}`)) stages.set(`out.${name}`, tensor.read());
      }),
    );
    const comparisons = [compare('out.y', await y.read(), golden.data('out.y'), tolerances.network)];
    for (const [name, read] of stages)
      comparisons.push(compare(name, await read, golden.data(name), tolerances.network));
    const missed = [...golden.tensors.keys()].filter((name) => /^out\.(?!y$)/.test(name) && !stages.has(name));
    for (const name of missed) comparisons.push(compare(name, [], golden.data(name), tolerances.network));
    tape.backward(y, golden.tensor(device, 'in.gout'));
    comparisons.push(...(await parameterGradients(golden, store, tolerances.networkGradient)));
    store.dispose();
    return comparisons;
  };

/** Small networks of every kind, and the full-size ones. */
export const networks: CaseKind[] = [
  { pattern: /^hrnet_small/, check: backboneCheck(hrnetConfigOf) },
  {
    pattern: /^resnet_small/,
    check: backboneCheck((golden) => {
      const stages = golden.option('block_counts', 4) - 1; // res1 counts
      return resnetConfigOf(golden, golden.option('FREEZE_AT'), stages);
    }),
  },
  { pattern: /^vgg_small/, check: backboneCheck(vggConfigOf) },
  ...fullNetworks,
];
