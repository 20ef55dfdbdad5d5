/** The variants of the method that an ablation compares. */
import type { Recipe } from '@cim/model/recipe/recipe';
import { closest } from 'fastest-levenshtein';
import { ConfigError } from '../errors.ts';

type Config = Recipe['cim'];

export interface Variant {
  /** For the command line and the names of folders. */
  readonly key: string;
  readonly name: string;
  readonly change: Partial<Omit<Config, 'region'>> & { readonly region?: Partial<Config['region']> };
}

/**
 * Full method first, then other strategies, then what is left without one of its parts: the ablations of the paper that
 * need no other data. Where labels are assigned before training (AGPL), every strategy starts from them.
 */
export const VARIANTS: readonly Variant[] = [
  { key: 'cim', name: 'CIM', change: {} },
  { key: 'mist', name: 'MIST', change: { strategy: 'mist' } },
  { key: 'pcl', name: 'PCL', change: { strategy: 'pcl' } },
  { key: 'oicr', name: 'OICR', change: { strategy: 'oicr' } },
  { key: 'anti-noise', name: 'anti-noise branch alone', change: { strategy: 'wsddn' } },
  { key: 'wsddn', name: 'WSDDN alone', change: { strategy: 'wsddn', clusterLoss: false } },
  { key: 'no-agpl', name: 'CIM without PCL/AGPL', change: { clusterLoss: false } },
  { key: 'no-branch', name: 'CIM without anti-noise branch', change: { antiNoiseBranch: false } },
  { key: 'no-sampling', name: 'CIM without anti-noise sampling', change: { antiNoiseSampling: false } },
  { key: 'no-iou', name: 'CIM without mask IoU head', change: { maskIouHead: false } },
  { key: 'no-cascade', name: 'CIM without cascaded thresholds', change: { thresholdStep: 0 } },
  { key: 'no-fuse', name: 'CIM without MaskFuse', change: { region: { fuseMasks: false } } },
];

/** A recipe's network as a variant changes it. */
export const changed = (config: Config, { change }: Variant): Config => ({
  ...config,
  ...change,
  region: { ...config.region, ...change.region },
});

/** Variants by their keys, in the order of {@link VARIANTS}. @throws ConfigError for an unknown one. */
export function variantsOf(keys: readonly string[]): Variant[] {
  const known = VARIANTS.map(({ key }) => key);
  for (const key of keys) {
    if (known.includes(key)) continue;
    throw new ConfigError(
      `There is no variant "${key}".`,
      `Did you mean "${closest(key, known)}"? Here are ${known.join(', ')}.`,
    );
  }
  return VARIANTS.filter(({ key }) => keys.includes(key));
}
