/** Published weights, loaded key by key. */
import type { ParameterStore } from '@cim/model/nn/parameters';
import { type LazyTensor, StateDictError } from '@cim/model/nn/state-dict';
import { PUBLISHED_TITLES, type PublishedWeights, recogniseWeights } from '@cim/model/weights/published';
import { CheckpointError, firstNames } from '../errors.ts';
import { type LazyArray, toFloat32 } from '../formats/ndarray.ts';
import { openStateDict } from '../formats/state-file.ts';

/** What became of every tensor of the file and every parameter of the model. */
export interface PublishedReport {
  readonly file: string;
  /** "torchvision's ResNet". */
  readonly title: string;
  readonly loaded: readonly { readonly key: string; readonly name: string; readonly shape: readonly number[] }[];
  readonly skipped: readonly { readonly key: string; readonly reason: string }[];
  /** Parameters that keep their values. */
  readonly missing: readonly string[];
}

/** What a backbone's parameters are called in a network. */
const BACKBONE_PREFIX = 'Conv_Body.';

/**
 * Loads published weights into a model: torchvision's ResNet-50, VGG-16 (torchvision's and Caffe's), HRNet, PRM's
 * classifiers, and checkpoints of CIM, each as `.pth` or `.safetensors`. What the file has no use for is reported.
 *
 * @param into the prefix of the backbone's parameters; by default found in the model.
 * @throws CheckpointError when the file is damaged, of an unknown kind, of another architecture, or lacks part of the
 *   backbone.
 */
export async function loadPublishedWeights(
  parameters: ParameterStore,
  path: string,
  { into = backbonePrefix(parameters) }: { into?: string } = {},
): Promise<PublishedReport> {
  const state = await openStateDict(path);
  const published = recogniseFile(state.keys(), path);
  const plan = planLoad(state, published, into, parameters.tensors.keys());
  const backbone = plan.missing.filter((name) => name.startsWith(into) && !isHead(name));
  if (published.complete && backbone.length > 0) {
    throw new CheckpointError(
      `${path} (${published.title}) lacks ${backbone.length} weights of the backbone: ${firstNames(backbone)}.`,
      'Give weights of the architecture that the recipe names.',
    );
  }
  if (plan.loaded.length === 0) {
    throw new CheckpointError(
      `${path} (${published.title}) holds no weight of this network.`,
      'Give weights of the architecture that the recipe names.',
    );
  }
  const renamed = plan.loaded.map(({ key, name }) => [name, asFloat32(state.get(key)!)] as const);
  try {
    await parameters.load(new Map(renamed), { strict: false });
  } catch (cause) {
    if (!(cause instanceof StateDictError)) throw cause;
    throw new CheckpointError(`${path} (${published.title}) does not fit. ${cause.message}`, cause.remedy, { cause });
  }
  return { file: path, title: published.title, ...plan };
}

const backbonePrefix = ({ tensors }: ParameterStore): string =>
  [...tensors.keys()].some((name) => name.startsWith(BACKBONE_PREFIX)) ? BACKBONE_PREFIX : '';

/** Layers after the features, in models without a prefix. */
const isHead = (name: string): boolean => /^(fc|classifier)\./.test(name);

/** @throws CheckpointError that says what is recognised. */
export function recogniseFile(keys: Iterable<string>, path: string): PublishedWeights {
  const names = [...keys];
  const published = recogniseWeights(names);
  if (published) return published;
  throw new CheckpointError(
    `${path} holds weights of no known network: ${firstNames(names)}.`,
    `Give one of: ${PUBLISHED_TITLES.join('; ')}.`,
  );
}

/** Which tensor goes where. @param names of the model's parameters. */
function planLoad(
  state: ReadonlyMap<string, LazyArray>,
  published: PublishedWeights,
  into: string,
  names: Iterable<string>,
): Pick<PublishedReport, 'loaded' | 'skipped' | 'missing'> {
  const missing = new Set(names);
  const loaded: PublishedReport['loaded'][number][] = [];
  const skipped: PublishedReport['skipped'][number][] = [];
  for (const [key, { shape }] of state) {
    const target = published.target(key);
    if ('skipped' in target) {
      skipped.push({ key, reason: target.skipped });
      continue;
    }
    const name = 'backbone' in target ? into + target.backbone : target.name;
    if (missing.delete(name)) loaded.push({ key, name, shape });
    else skipped.push({ key, reason: `the network has no ${name}` });
  }
  return { loaded, skipped, missing: [...missing] };
}

/** A tensor as the network takes it. */
export const asFloat32 = (array: LazyArray): LazyTensor => ({
  shape: array.shape,
  read: async (first, count) => toFloat32(array.dtype, await array.read(first, count)),
});

/** The report as one sentence. */
export const describeLoaded = ({ file, title, loaded, skipped, missing }: PublishedReport): string =>
  `${file}: ${title}; ${loaded.length} weights loaded, ${skipped.length} skipped, ${missing.length} of the network not in it.`;

/** The report key by key. */
export function reportLines(report: PublishedReport): string[] {
  return [
    ...report.loaded.map(({ key, name, shape }) => `loaded   ${key} [${shape}]${key === name ? '' : ` → ${name}`}`),
    ...report.skipped.map(({ key, reason }) => `skipped  ${key}: ${reason}`),
    ...report.missing.map((name) => `missing  ${name}`),
    describeLoaded(report),
  ];
}
