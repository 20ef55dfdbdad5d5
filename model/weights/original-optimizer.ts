/** Which parameters the original's optimizer holds, in its order (tools/train.py): its state names them by number only. */
import type { BackboneConfig } from '../backbone/index.ts';

const PREFIX = 'Conv_Body.';
/** The layer that the original's HRNet has and never uses; it counts among the parameters all the same. */
const UNUSED = ['Conv_Body.classifier.weight', 'Conv_Body.classifier.bias'];

const isBuffer = (name: string): boolean => /\.(running_mean|running_var|num_batches_tracked)$/.test(name);

const range = (first: number, last: number): number[] =>
  Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);

/** Modules of the backbone without gradient in the original: its HRNet keeps the stem's batch norm and transition1 out. */
function frozenModules(backbone: BackboneConfig): string[] {
  switch (backbone.type) {
    case 'resnet':
      return range(1, backbone.freezeAt).map((i) => `res${i}`);
    case 'vgg':
      return range(1, backbone.freezeAt).map((i) => `conv${i}`);
    case 'hrnet':
      return [
        ...(backbone.freezeAt >= 1 ? ['conv1', 'conv2', 'layer1'] : []),
        ...range(2, backbone.freezeAt).map((i) => `stage${i}`),
      ];
    case 'residual':
      return [];
  }
}

/** Modules without gradient here: those below a frozen stage get none anyway. */
function frozenHere(backbone: BackboneConfig): string[] {
  if (backbone.type !== 'hrnet' || backbone.freezeAt === 0) return frozenModules(backbone);
  return [...frozenModules(backbone), 'bn1', 'bn2', ...range(1, backbone.freezeAt - 1).map((i) => `transition${i}`)];
}

const isBelow = (name: string, modules: readonly string[]): boolean =>
  modules.some((module) => name.startsWith(`${PREFIX}${module}.`));

/**
 * The names of the optimizer's parameters, group by group: weights, then everything with 'bias' in its name.
 *
 * @param names of the model's state dict, in its order.
 */
export function optimizerGroups(names: Iterable<string>, backbone: BackboneConfig): [string[], string[]] {
  const frozen = frozenModules(backbone);
  const all = [...names].filter((name) => !isBuffer(name));
  if (backbone.type === 'hrnet' && !all.includes(UNUSED[0])) {
    all.splice(all.findLastIndex((name) => name.startsWith(PREFIX)) + 1, 0, ...UNUSED);
  }
  const trained = all.filter((name) => !isBelow(name, frozen));
  return [trained.filter((name) => !name.includes('bias')), trained.filter((name) => name.includes('bias'))];
}

/** Whether a parameter of a network with this backbone is trained here, and so has a momentum. */
export const isTrained = (name: string, backbone: BackboneConfig): boolean =>
  !isBuffer(name) && !UNUSED.includes(name) && !isBelow(name, frozenHere(backbone));
