/**
 * Proposals of one image on the disk: a safetensors file of
 *
 * - `run_leaves` U16 [runs], `run_lengths` U32 [runs]: the leaf of every pixel in reading order, as runs
 * - `members` U32 [count, ⌈leafCount / 32⌉]: leaf sets, leaf l is bit l mod 32 of word ⌊l / 32⌋
 * - `scores` F32 [count], falling
 *
 * with the metadata `format`, `version`, the image's `width` and `height` in pixels, its name as `image`, and as `options`
 * the JSON of the options they were made with.
 */
import { leafRuns } from '@cim/model/proposals/masks';
import type { ProposalOptions, Proposals } from '@cim/model/proposals/proposals';
import { DataError } from '../errors.ts';
import { readSafetensors, type SafeTensor, type Safetensors, writeSafetensors } from '../formats/safetensors.ts';

const FORMAT = 'cim-proposals';
/** Rises whenever files of before can no longer be read, or hold proposals that would now be made otherwise. */
const VERSION = '2';
const REMEDY = 'Delete the file and make the proposals again with `cim proposals`.';

/** What proposals were made of. */
export interface ProposalOrigin {
  /** The image's name in the data set. */
  readonly image: string;
  readonly options: ProposalOptions;
}

/** Writes the proposals of one image; the file appears only when it is complete. @throws OutputError when it cannot be written. */
export async function writeProposals(path: string, proposals: Proposals, origin: ProposalOrigin): Promise<void> {
  const { width, height, count, labels, members, scores } = proposals;
  const { leaves, lengths } = leafRuns(labels);
  const tensors: [string, SafeTensor][] = [
    ['run_leaves', { dtype: 'U16', shape: [leaves.length], data: leaves }],
    ['run_lengths', { dtype: 'U32', shape: [lengths.length], data: lengths }],
    ['members', { dtype: 'U32', shape: [count, count === 0 ? 0 : members.length / count], data: members.slice() }],
    ['scores', { dtype: 'F32', shape: [count], data: scores.slice() }],
  ];
  await writeSafetensors(
    path,
    { format: FORMAT, version: VERSION, ...describe({ width, height, ...origin }) },
    tensors,
  );
}

type Expected = ProposalOrigin & { readonly width: number; readonly height: number };

const describe = ({ width, height, image, options }: Expected): Record<string, string> => ({
  width: String(width),
  height: String(height),
  image,
  options: JSON.stringify(options),
});

/**
 * Reads the proposals of the image that is `width` × `height` pixels now.
 * @throws DataError naming the file and the remedy when it is missing, damaged, of another version, or was made of another
 * image, another size of it or with other options.
 */
export async function readProposals(path: string, expected: Expected): Promise<Proposals> {
  const { width, height } = expected;
  const fail = (problem: string, cause?: unknown): never => {
    throw new DataError(`Cannot use the proposals ${path}: ${problem}.`, REMEDY, { cause });
  };
  const file = await readSafetensors(path).catch((error: Error) => fail(error.message.replace(/\.$/, ''), error));
  const { metadata } = file;
  if (metadata.format !== FORMAT) fail(`its format is "${metadata.format ?? ''}", not "${FORMAT}"`);
  if (metadata.version !== VERSION) fail(`it is of version ${metadata.version}, this program reads version ${VERSION}`);
  for (const [key, value] of Object.entries(describe(expected))) {
    if (metadata[key] !== value) fail(`its ${key} is ${metadata[key]}, now it is ${value}`);
  }
  const leaves = tensorOf(file, 'run_leaves', 'U16', fail).data;
  const lengths = tensorOf(file, 'run_lengths', 'U32', fail).data;
  const { shape, data: members } = tensorOf(file, 'members', 'U32', fail);
  const scores = tensorOf(file, 'scores', 'F32', fail).data;
  const [count, words] = shape;

  const pixels = lengths.reduce((sum, length) => sum + length, 0);
  if (lengths.length !== leaves.length || pixels !== width * height)
    fail(`its runs hold ${pixels} pixels of ${width * height}`);
  const labels = new Uint16Array(pixels);
  let leafCount = 0;
  for (let run = 0, begin = 0; run < leaves.length; begin += lengths[run++]) {
    labels.fill(leaves[run], begin, begin + lengths[run]);
    leafCount = Math.max(leafCount, leaves[run] + 1);
  }
  if (scores.length !== count || (count > 0 && words !== Math.ceil(leafCount / 32))) {
    fail(`its ${scores.length} scores and leaf sets [${shape}] do not fit its ${leafCount} leaves`);
  }
  return { width, height, count, labels, leafCount, members, scores };
}

function tensorOf<D extends SafeTensor['dtype']>(
  { tensors }: Safetensors,
  name: string,
  dtype: D,
  fail: (problem: string) => never,
): Extract<SafeTensor, { dtype: D }> {
  const tensor = tensors.get(name);
  if (tensor?.dtype !== dtype) return fail(`it has no tensor "${name}" of ${dtype}`);
  return tensor as Extract<SafeTensor, { dtype: D }>;
}
