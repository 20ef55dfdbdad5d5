/** Proposals in the original's layout: our own where COB's are missing, and the 7×7 pickles of either. */
import { existsSync } from 'node:fs';
import { join, parse } from 'node:path';
import type { PackedMasks } from '@cim/model/masks/index';
import { packProposals } from '@cim/model/proposals/masks';
import { proposeMasks } from '@cim/model/proposals/proposals';
import type { Device } from '@cim/runtime';
import type { DatasetImage } from '../datasets/dataset.ts';
import { openDataset } from '../datasets/open.ts';
import { DataError, reasonOf } from '../errors.ts';
import { ImageLoader } from '../images/loader.ts';
import { forEach, type Reporter } from '../pipeline/context.ts';
import { findCobFile, readCobMasks } from '../proposals/cob-mat.ts';
import { type CobLayout, writeCobMasks } from '../proposals/cob-mat-writer.ts';
import { type CobRegions, cobRegions, writeCobPickle } from '../proposals/cob-pickle.ts';
import type { DatasetKind } from './items.ts';

interface ProposalSplit {
  /** For `openDataset`. */
  readonly split: string;
  /** Where our own proposals go, below the data set's folder. */
  readonly folder: string;
  /** The pickle in `cob/`. */
  readonly pickle: string;
  /** The folder without which the split is left out. */
  readonly ifThere?: string;
}

const LAYOUTS: Readonly<Record<DatasetKind, { folder: string; layout: CobLayout; splits: readonly ProposalSplit[] }>> =
  {
    voc: {
      folder: 'VOC2012',
      layout: 'cells',
      splits: [
        { split: 'trainaug', folder: 'COB_SBD_trainaug', pickle: 'voc_2012_trainaug.pkl' },
        { split: 'val', folder: 'COB_SBD_val', pickle: 'voc_2012_val.pkl' },
      ],
    },
    coco: {
      folder: 'coco2017',
      layout: 'array',
      splits: [
        { split: 'train', folder: 'COB-COCO', pickle: 'coco_2017_train.pkl' },
        { split: 'val', folder: 'COB-COCO', pickle: 'coco_2017_val.pkl' },
        { split: 'test', folder: 'COB-COCO', pickle: 'coco_2017_test.pkl', ifThere: 'test2017' },
      ],
    },
  };

/** The images of a data set's splits, in the original's layout below `root`. @throws DataError when annotations or images are missing. */
async function openAll(root: string, kind: DatasetKind) {
  const { folder, layout, splits } = LAYOUTS[kind];
  const path = join(root, folder);
  const opened = splits
    .filter(({ ifThere = '' }) => existsSync(join(path, ifThere)))
    .map(async (split) => ({ ...split, ...(await openDataset({ path, split: split.split })) }));
  return { path, layout, splits: await Promise.all(opened) };
}

/** Makes proposals on the GPU for images that have none. Returns how many images that were. */
export async function makeProposals(
  device: Device,
  root: string,
  kind: DatasetKind,
  report: Reporter,
): Promise<number> {
  const { path, layout, splits } = await openAll(root, kind);
  const loader = new ImageLoader({ cacheBytes: 0, strict: true });
  let count = 0;
  for (const { split, folder, images } of splits) {
    const missing = images.filter(({ fileName }) => findCobFile(path, fileName) === undefined);
    await forEach({ report }, `Proposals of ${split}`, missing, async ({ file, fileName }) => {
      const proposals = await proposeMasks(device, await loader.load(file));
      const { width, height } = proposals;
      const masks: PackedMasks =
        proposals.count > 0
          ? { words: packProposals(proposals), count: proposals.count, width, height }
          : wholeImage(width, height);
      await writeCobMasks(join(path, folder, `${parse(fileName).name}.mat`), masks, layout);
    });
    count += missing.length;
  }
  return count;
}

/** The proposal of an image of one colour: the original cannot read a file without any. */
function wholeImage(width: number, height: number): PackedMasks {
  const pixels = width * height;
  const words = new Uint32Array(Math.ceil(pixels / 32)).fill(0xffffffff);
  if (pixels % 32 > 0) words[words.length - 1] = 2 ** (pixels % 32) - 1;
  return { words, count: 1, width, height };
}

/**
 * Writes the pickles of `cob/` that are missing, from the .mat files (generate_7_7_voc.py, generate_7_7_coco.py). Returns
 * the files.
 *
 * @throws DataError that names the image without proposals, or the damaged file.
 */
export async function writeCobPickles(root: string, kind: DatasetKind, report: Reporter): Promise<string[]> {
  const { path, splits } = await openAll(root, kind);
  const written: string[] = [];
  for (const { split, pickle, images } of splits) {
    const file = join(root, 'cob', pickle);
    if (existsSync(file)) continue;
    const regions = new Map<number, CobRegions>();
    await forEach({ report }, `7×7 masks of ${split}`, images, async (image) => {
      regions.set(image.id, await regionsOf(path, image));
    });
    await writeCobPickle(file, regions);
    written.push(file);
  }
  return written;
}

async function regionsOf(path: string, { fileName }: DatasetImage): Promise<CobRegions> {
  const file = findCobFile(path, fileName);
  if (file === undefined) {
    throw new DataError(
      `${fileName} has no proposals in ${path}.`,
      'Fetch the missing ones, or make others with `--proposals make`.',
    );
  }
  try {
    return cobRegions(await readCobMasks(file));
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`Cannot use ${file}: ${reasonOf(error)}.`, 'Fetch it again.', { cause: error });
  }
}
