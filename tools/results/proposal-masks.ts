/** Masks of proposals for results, at the size of the image file. */
import { existsSync } from 'node:fs';
import { join, parse } from 'node:path';
import { encodeRle, type Rle } from '@cim/model/evaluate/rle';
import { imageProposals } from '@cim/model/infer/image-proposals';
import { unpackMask } from '@cim/model/masks/index';
import type { ProposalOptions } from '@cim/model/proposals/proposals';
import { DataError } from '../errors.ts';
import { openSafetensors } from '../formats/safetensors.ts';
import { findCobFile, readCobMasks } from '../proposals/cob-mat.ts';
import { readProposals } from '../proposals/files.ts';

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
 * @param count how many there must be, where that is known.
 * @throws DataError when there is no file of them, they are not so many, or they are of an image of another size.
 */
export async function readProposalMasks(folder: string, image: SizedImage, count?: number): Promise<ProposalMasks> {
  const { cob, made } = proposalFile(folder, image);
  const masks = cob ? await cobMasks(cob, image) : made ? await madeMasks(made, image) : undefined;
  if (!masks) {
    throw new DataError(
      `${folder} has no proposals of ${image.fileName}: neither ${parse(image.fileName).name}.mat nor ${image.id}.safetensors is there.`,
      'Give the folder of the proposals that were scored: the data set, or the run.',
    );
  }
  if (count !== undefined && masks.count !== count) {
    throw new DataError(
      `${count} proposals of ${image.fileName} were scored, there are ${masks.count} in ${folder}.`,
      'Give the folder of the proposals that were scored.',
    );
  }
  return masks;
}

/** Where the proposals of an image are, if anywhere: COB's file, or one of our making. */
export function proposalFile(
  folder: string,
  { id, fileName }: Pick<SizedImage, 'id' | 'fileName'>,
): { readonly cob?: string; readonly made?: string } {
  const first = (paths: readonly string[]): string | undefined => paths.find((path) => existsSync(path));
  const cob = findCobFile(folder, fileName) ?? first([join(folder, `${parse(fileName).name}.mat`)]);
  const file = `${id}.safetensors`;
  return { cob, made: first([join(folder, file), join(folder, 'proposals', file)]) };
}

async function cobMasks(path: string, { fileName, width, height }: SizedImage): Promise<ProposalMasks> {
  const masks = await readCobMasks(path);
  if (masks.width !== width || masks.height !== height) {
    throw new DataError(
      `The proposals ${path} are ${masks.width}×${masks.height}, ${fileName} is ${width}×${height}.`,
      'Use images and proposals of the same release.',
    );
  }
  return { count: masks.count, mask: (n) => encodeRle(unpackMask(masks, n), height, width) };
}

async function madeMasks(path: string, { fileName, width, height }: SizedImage): Promise<ProposalMasks> {
  const { metadata } = await openSafetensors(path);
  const found = await readProposals(path, {
    width: Number(metadata.width),
    height: Number(metadata.height),
    image: fileName,
    options: parsed(metadata.options),
  });
  return { count: found.count, mask: imageProposals(found, { original: { width, height } }).fileMask };
}

/** The options that a file says it was made with; of broken ones the reader then finds that they are others. */
function parsed(text = '{}'): ProposalOptions {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
