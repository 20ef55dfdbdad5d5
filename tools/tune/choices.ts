/** Which kernels run which classes of shapes, as a file: what a training used, and what others can be told to use. */
import { readFileSync } from 'node:fs';
import { type Choices, type Device, HEURISTIC, UnknownVariantError } from '@cim/runtime';
import { checkVariant } from '@cim/runtime/variants';
import { ConfigError, reasonOf } from '../errors.ts';
import { writeFileAtomic } from '../formats/atomic.ts';
import { isRecord, parseJson } from '../formats/json.ts';

const FORMAT = 'cim-kernel-choices';
const REMEDY = 'Give the kernels.json of a run.';

/** @throws ConfigError that names the file when it cannot be read, or chooses kernels that do not exist. */
export function readChoices(path: string): Choices {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ConfigError(`${path} cannot be read: ${reasonOf(cause)}.`, REMEDY, { cause });
  }
  const file = parseJson(text, path, REMEDY);
  if (!isRecord(file) || file.format !== FORMAT || file.version !== 1 || !isRecord(file.choices)) {
    throw new ConfigError(`${path} holds no choices of kernels.`, REMEDY);
  }
  for (const [key, name] of Object.entries(file.choices)) {
    if (name === HEURISTIC) continue;
    try {
      checkVariant(String(name));
    } catch (cause) {
      if (!(cause instanceof UnknownVariantError)) throw cause;
      throw new ConfigError(`${path}: ${key}: ${cause.message}`, cause.remedy, { cause });
    }
  }
  return file.choices as Choices;
}

/** Writes what was used so far. @throws OutputError */
export const writeChoices = (
  path: string,
  { adapter, variants }: Pick<Device, 'adapter' | 'variants'>,
): Promise<void> =>
  writeFileAtomic(path, JSON.stringify({ format: FORMAT, version: 1, adapter, choices: variants.used }, null, 2));
