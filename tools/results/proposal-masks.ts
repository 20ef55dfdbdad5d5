/** Masks of proposals for results, at the size of the image file. */
import { existsSync } from 'node:fs';
import { join, parse } from 'node:path';
import { encodeRle, type Rle } from '@cim/model/evaluate/rle';
import { unpackMask } from '@cim/model/masks/index';
import { DataError } from '../errors.ts';
import { openSafetensors } from '../formats/safetensors.ts';
import { findCobFile, readCobMasks } from '../proposals/cob-mat.ts';
import { readProposals } from '../proposals/files.ts';
import { imageProposals } from '../proposals/made.ts';

interface SizedImage {
  readonly id: number;
  readonly fileName: string;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

/** The N masks of an image. */
export interface ProposalMasks {
  readonly count: number;
  mask(proposal: number): Rle;
}

/**
 * Finds the proposals of an image in a folder: COB's `.mat` files in it or in its folders `COB_SBD_trainaug`,
 * `COB_SBD_val`, `COB-COCO`; or those that `cim proposals` made, in it or its folder `proposals`.
 *
 * @throws DataError when there are none, or they are of an image of another size.
 */
export async function readProposalMasks(folder: string, image: SizedImage): Promise<ProposalMasks> {
  const { id, fileName, width, height } = image;
  const first = (paths: readonly string[]): string | undefined => paths.find((path) => existsSync(path));
  const cob = findCobFile(folder, fileName) ?? first([join(folder, `${parse(fileName).name}.mat`)]);
  if (cob !== undefined) {
    const masks = await readCobMasks(cob);
    if (masks.width !== width || masks.height !== height) {
      throw new DataError(
        `The proposals ${cob} are ${masks.width}×${masks.height}, ${fileName} is ${width}×${height}.`,
        'Use images and proposals of the same release.',
      );
    }
    return { count: masks.count, mask: (n) => encodeRle(unpackMask(masks, n), height, width) };
  }
  const made = first([join(folder, `${id}.safetensors`), join(folder, 'proposals', `${id}.safetensors`)]);
  if (made === undefined) {
    throw new DataError(
      `${folder} has no proposals of ${fileName}: neither ${parse(fileName).name}.mat nor ${id}.safetensors is there.`,
      'Give the folder of the proposals that were scored: the data set, or the run.',
    );
  }
  const { metadata } = await openSafetensors(made);
  const found = await readProposals(made, {
    width: Number(metadata.width),
    height: Number(metadata.height),
    image: fileName,
    options: JSON.parse(metadata.options ?? '{}'),
  });
  const masks = imageProposals(found, { original: { width, height } }).fileMasks();
  return { count: masks.length, mask: (n) => masks[n] };
}
