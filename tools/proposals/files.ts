/** Proposals of one image as a file: the partition into leaves, and which leaves each proposal joins. */
import type { Proposals } from '@cim/model/proposals/proposals';
import { DataError } from '../errors.ts';
import { readSafetensors, writeSafetensors } from '../formats/safetensors.ts';

const FORMAT = 'cim-proposals';
const VERSION = '1';

export async function writeProposals(path: string, proposals: Proposals): Promise<void> {
  const { width, height, count, labels, leafCount, members, scores } = proposals;
  const words = members.length / Math.max(1, count);
  const metadata = { format: FORMAT, version: VERSION, leafCount: String(leafCount) };
  await writeSafetensors(path, metadata, [
    ['labels', { dtype: 'U16', shape: [height, width], data: Uint16Array.from(labels) }],
    ['members', { dtype: 'U32', shape: [count, words], data: Uint32Array.from(members) }],
    ['scores', { dtype: 'F32', shape: [count], data: Float32Array.from(scores) }],
  ]);
}

/**
 * @param size of the image at hand: the file must have been made for it.
 * @throws DataError when the file is of another kind, version or image size; CheckpointError when it is damaged.
 */
export async function readProposals(path: string, size: { readonly width: number; readonly height: number }): Promise<Proposals> {
  const { metadata, tensors } = await readSafetensors(path);
  const [labels, members, scores] = ['labels', 'members', 'scores'].map((name) => tensors.get(name));
  const leafCount = Number(metadata.leafCount);
  if (metadata.format !== FORMAT || metadata.version !== VERSION || !(leafCount >= 0)
    || labels?.dtype !== 'U16' || members?.dtype !== 'U32' || scores?.dtype !== 'F32') {
    throw new DataError(`${path} does not hold proposals of this version.`, 'Delete it and run `cim proposals` again.');
  }
  const [height, width] = labels.shape;
  if (size.width !== width || size.height !== height) {
    throw new DataError(
      `${path} was made for an image of ${width}×${height}, the image is ${size.width}×${size.height}.`,
      'Delete it and run `cim proposals` again.',
    );
  }
  return { width, height, count: scores.data.length, labels: labels.data, leafCount, members: members.data, scores: scores.data };
}
