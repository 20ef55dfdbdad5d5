/**
 * Which tensors of published weights are which parameters of ours: pure names, from the keys of a state dict.
 *
 * A backbone's parameters are named here without the prefix (`Conv_Body.`) that they have in a network.
 */

/** Where a tensor goes: a parameter of the backbone, one of the whole network, or nowhere, and why. */
export type Target = { readonly backbone: string } | { readonly name: string } | { readonly skipped: string };

/** A kind of file of published weights, known by its keys. */
export interface PublishedWeights {
  /** What it is. */
  readonly kind: PublishedKind;
  /** "torchvision's ResNet". */
  readonly title: string;
  /** Whether the whole backbone must be in the file; checkpoints of the original were loaded with what they had. */
  readonly complete: boolean;
  /** Where the tensor of this name goes. */
  target(key: string): Target;
}

/** Files that are known: backbones from ImageNet, PRM's classifiers, checkpoints of CIM, backbones trained here. */
export type PublishedKind = 'resnet' | 'vgg16' | 'hrnet' | 'prm-resnet50' | 'prm-vgg16' | 'cim' | 'backbone';

interface Layout extends PublishedWeights {
  /** Whether the keys, without wrappers, are this layout's. */
  matches(keys: ReadonlySet<string>): boolean;
}

const COUNTER = 'a counter of PyTorch’s batch norm that nothing here needs';
const IMAGENET = 'the classifier of ImageNet';

/** What stands before every key: DataParallel's module, the Sequential around PRM's network, and its name. */
const WRAPPERS = /^(module\.|0\.(?=features\.|classifier\.)|fc_resnet50\.|fc_vgg16\.)+/;

/** Stage n of torchvision (`layer1`) is res(n+1) of CIM; the stem is res1. */
const resnetTarget = (key: string): Target => {
  const layer = /^layer(\d)\.(.+)$/.exec(key);
  if (layer) return { backbone: `res${Number(layer[1]) + 1}.${layer[2]}` };
  const stem = /^(conv1|bn1)\.(.+)$/.exec(key);
  if (stem) return { backbone: `res1.${stem[1] === 'conv1' ? 0 : 1}.${stem[2]}` };
  return key.startsWith('fc.') ? { name: key } : unknown;
};

/** Places in `features` of the first convolution of every block of VGG-16. */
const VGG_BLOCKS = [0, 5, 10, 17, 24];

const vggTarget = (key: string): Target => {
  const feature = /^features\.(\d+)\.(.+)$/.exec(key);
  if (feature) {
    const place = Number(feature[1]);
    const block = VGG_BLOCKS.findLastIndex((first) => first <= place);
    return { backbone: `conv${block + 1}.${place - VGG_BLOCKS[block]}.${feature[2]}` };
  }
  return key.startsWith('classifier.') ? { skipped: 'a fully connected layer of ImageNet’s VGG-16' } : unknown;
};

/** Children of FC_ResNet's `features`: conv1, bn1, relu, maxpool, layer1 … layer4 (lib/prm/prm_model.py). */
const prmResnetTarget = (key: string): Target => {
  const [, child, rest] = /^features\.([014-7])\.(.+)$/.exec(key) ?? [];
  if (child === '0' || child === '1') return { backbone: `res1.${child}.${rest}` };
  if (child !== undefined) return { backbone: `res${Number(child) - 2}.${rest}` };
  return key.startsWith('classifier.0.') ? { name: key } : unknown;
};

const unknown: Target = { skipped: 'no part of this network' };

const some = (keys: ReadonlySet<string>, prefix: string): boolean => [...keys].some((key) => key.startsWith(prefix));
const isVgg = (keys: ReadonlySet<string>): boolean => keys.has('features.28.weight');

/** The first that matches counts. */
const LAYOUTS: readonly Layout[] = [
  {
    kind: 'cim',
    title: 'a checkpoint of CIM',
    complete: false,
    matches: (keys) => some(keys, 'Conv_Body.'),
    target: (key) => (key.startsWith('Conv_Body.classifier.') ? { skipped: IMAGENET } : { name: key }),
  },
  {
    kind: 'prm-resnet50',
    title: 'PRM’s classifier on ResNet-50',
    complete: true,
    matches: (keys) => keys.has('features.4.0.conv1.weight'),
    target: prmResnetTarget,
  },
  {
    kind: 'prm-vgg16',
    title: 'PRM’s classifier on VGG-16',
    complete: true,
    // Its classifier is one convolution; ImageNet's has several layers.
    matches: (keys) => isVgg(keys) && keys.has('classifier.0.weight') && !keys.has('classifier.3.weight'),
    target: (key) => (key.startsWith('classifier.0.') ? { name: key } : vggTarget(key)),
  },
  { kind: 'vgg16', title: 'VGG-16', complete: true, matches: isVgg, target: vggTarget },
  {
    kind: 'hrnet',
    title: 'HRNet with its ImageNet head',
    complete: true,
    matches: (keys) => some(keys, 'stage2.0.branches.'),
    target: (key) => (key.startsWith('classifier.') ? { name: key } : { backbone: key }),
  },
  {
    kind: 'resnet',
    title: 'torchvision’s ResNet',
    complete: true,
    matches: (keys) => keys.has('layer1.0.conv1.weight'),
    target: resnetTarget,
  },
  {
    kind: 'backbone',
    title: 'a backbone under CIM’s names',
    complete: true,
    matches: (keys) => keys.has('res2.0.conv1.weight') || keys.has('conv5.0.weight'),
    target: (key) => (key.startsWith('fc.') ? { name: key } : { backbone: key }),
  },
];

/** What the recognised layouts are, for the user to see. */
export const PUBLISHED_TITLES: readonly string[] = LAYOUTS.map(({ title }) => title);

/** The layout of a state dict by its keys; null when it is none that is known. */
export function recogniseWeights(keys: Iterable<string>): PublishedWeights | null {
  const names = new Set(Array.from(keys, (key) => key.replace(WRAPPERS, '')));
  const layout = LAYOUTS.find(({ matches }) => matches(names));
  if (!layout) return null;
  const { kind, title, complete } = layout;
  return {
    kind,
    title,
    complete,
    target: (key) => {
      if (key.endsWith('num_batches_tracked')) return { skipped: COUNTER };
      return key.startsWith('solver.') ? { skipped: 'the solver’s state' } : layout.target(key.replace(WRAPPERS, ''));
    },
  };
}

/** The key of a ResNet backbone's parameter (or of the layer behind it) in torchvision's state dict. */
export function torchvisionResnetKey(name: string): string {
  const [, stem, rest] = /^res1\.([01])\.(.+)$/.exec(name) ?? [];
  if (stem !== undefined) return `${stem === '0' ? 'conv1' : 'bn1'}.${rest}`;
  return name.replace(/^res(\d)\./, (_, stage: string) => `layer${Number(stage) - 1}.`);
}

/** The key of a parameter of our classifier on ResNet in the state dict of PRM, which wraps its network once. */
export function prmResnetKey(name: string): string {
  const [, stage, rest] = /^Conv_Body\.res(\d)\.(.+)$/.exec(name) ?? [];
  if (stage === undefined) return `0.${name}`;
  return stage === '1' ? `0.features.${rest}` : `0.features.${Number(stage) + 2}.${rest}`;
}
