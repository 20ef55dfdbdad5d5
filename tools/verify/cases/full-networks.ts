import {
  type Backbone,
  type BackboneConfig,
  createBackbone,
  HRNET_NAMES,
  hrnet,
  resnet50,
  vgg16,
} from '@cim/model/backbone/index';
import { ImageNetClassifier } from '@cim/model/classify/imagenet';
import { ParameterStore } from '@cim/model/nn/parameters';
import { type Device, Tape } from '@cim/runtime';
import { DataError } from '../../errors.ts';
import type { CaseKind, Check } from '../case.ts';
import { type Comparison, compare, tolerances } from '../compare.ts';
import { deterministicInput, deterministicTensor } from '../deterministic.ts';
import type { Golden } from '../golden.ts';

interface Network {
  readonly parameters: ParameterStore;
  readonly backbone: Backbone;
}

const bare = (device: Device, config: BackboneConfig): Network => {
  const parameters = new ParameterStore(device, null);
  return { parameters, backbone: createBackbone(parameters.scope().frozen(), config) };
};

/** Weights are made tensor by tensor: no host copy of the network exists. */
function fill(golden: Golden, { tensors }: ParameterStore): Comparison[] {
  const [salt, gain] = [golden.option('salt'), golden.option('gain')];
  const names = golden.option<[name: string, shape: number[]][]>('names');
  const probes = golden.option<Record<string, number[]>>('probe_first_values');
  const comparisons: Comparison[] = [];
  const checkProbe = (name: string, data: Float32Array): void => {
    const expected = probes[name];
    if (expected)
      comparisons.push(compare(`probe ${name}`, data.subarray(0, expected.length), expected, tolerances.exact));
  };
  let parameters = 0;
  names.forEach(([name, shape], k) => {
    const tensor = tensors.get(name);
    const data = deterministicTensor(k, name, shape, salt, gain);
    checkProbe(name, data);
    if (!tensor || String(tensor.shape) !== String(shape)) {
      comparisons.push({ tensor: `${name} (must exist)`, maxError: Infinity, tolerance: 0, passed: false });
      return;
    }
    if (!/running_(mean|var)$/.test(name)) parameters += data.length;
    tensor.write(data);
  });
  checkProbe('input', deterministicInput(names.length, golden.option('input_shape'), salt));
  return [
    ...comparisons,
    compare('tensors', [tensors.size], [golden.option('num_tensors')], tolerances.exact),
    compare('parameters', [parameters], [golden.option('num_params')], tolerances.exact),
  ];
}

/** The features of a whole network with weights from a recipe. */
const fullCheck =
  (create: (device: Device, golden: Golden) => Network): Check =>
  async (device, golden) => {
    const { parameters, backbone } = create(device, golden);
    try {
      const comparisons = fill(golden, parameters);
      const shape = golden.option<number[]>('input_shape');
      const input = deterministicInput(parameters.tensors.size, shape, golden.option('salt'));
      const features = device.scope(() => {
        const tape = new Tape(device, { recording: false });
        return backbone.forward({ tape, batchStatistics: false }, device.tensor(input, shape));
      });
      const y = (await features.read()) as Float32Array;
      features.dispose();
      const mean = y.reduce((a, b) => a + b, 0) / y.length;
      const deviation = Math.sqrt(y.reduce((sum, v) => sum + (v - mean) ** 2, 0) / y.length);
      return [
        ...comparisons,
        compare('out.y', y, golden.data('out.y'), tolerances.fullNetwork),
        compare('mean', [mean], [golden.option('out_mean')], tolerances.network),
        compare('standard deviation', [deviation], [golden.option('out_std')], tolerances.network),
      ];
    } finally {
      parameters.dispose();
    }
  };

/** full_hrnet_w48: its file has the ImageNet classifier too, which the features do not pass through. */
function fullHRNet(device: Device, golden: Golden): Network {
  const name = HRNET_NAMES.find((known) => golden.name === `full_hrnet_${known}`);
  if (!name) throw new DataError(`There is no HRNet for ${golden.name}.`, `Published are ${HRNET_NAMES.join(', ')}.`);
  const shapes = new Map(golden.option<[name: string, shape: number[]][]>('names'));
  const classes = shapes.get('classifier.weight')?.[0];
  const backbone = hrnet(name);
  return classes ? new ImageNetClassifier(device, { backbone, classes }, null) : bare(device, backbone);
}

/** full_*: the networks at their full size. */
export const fullNetworks: CaseKind[] = [
  { pattern: /^full_hrnet_/, check: fullCheck(fullHRNet) },
  { pattern: /^full_resnet50/, check: fullCheck((device) => bare(device, resnet50())) },
  { pattern: /^full_vgg16_dilated/, check: fullCheck((device) => bare(device, vgg16())) },
];
