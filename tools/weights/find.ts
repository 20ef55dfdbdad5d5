import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { ConfigError } from '../errors.ts';

/**
 * The file of weights that a recipe names: sought in the working folder, in the data set's (`root`) and beside it
 * (`data/model_weight/` beside `data/VOC2012/`).
 *
 * @throws ConfigError that lists where it was looked for.
 */
export function findWeights(name: string, root: string): string {
  const candidates = [...new Set([resolve(name), resolve(root, name), resolve(root, '..', name)])];
  const found = candidates.find((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
  if (found !== undefined) return found;
  throw new ConfigError(
    `The weights "${name}" are at none of ${candidates.join(', ')}.`,
    'Put the file there (`cim data voc` says where it comes from), or name another with --set.',
  );
}
