/** The original's proposals as a source: COB's .mat files, with the regions of `data/cob/*.pkl` where given. */
import { existsSync } from 'node:fs';
import { basename, dirname, join, parse } from 'node:path';
import { encodeRle } from '@cim/model/evaluate/rle';
import { type ImageProposals, memoised, type WorkingSize } from '@cim/model/infer/image-proposals';
import { clipBoxes, type PackedMasks, packMasks, scaledMask, unpackMask } from '@cim/model/masks/index';
import type { LabelledImage } from '../datasets/dataset.ts';
import { DataError } from '../errors.ts';
import { findCobFile, readCobMasks } from './cob-mat.ts';
import { type CobRegions, cobRegions, readCobPickle } from './cob-pickle.ts';
import { readOverlaps } from './overlap-files.ts';
import type { ProposalSource } from './source.ts';

export class CobProposals implements ProposalSource {
  readonly #root: string;
  readonly #warn: (message: string) => void;
  /** The pickles that were asked for, by path. */
  readonly #pickles = new Map<string, Promise<ReadonlyMap<number, CobRegions>>>();

  /**
   * @param root the data set's folder: `data/VOC2012` or `data/coco2017`. The files of `data/cob/`, `data/cob_iou/` and
   *   `data/cob_asy_iou/` are used where they are; what they hold is computed where they are not.
   * @param report told of images without proposals.
   */
  constructor(root: string, { warn }: { warn(message: string): void }) {
    this.#root = root;
    this.#warn = warn;
  }

  /** @throws DataError when the masks are missing or of another size than the image, or another file is of other masks. */
  async load(entry: LabelledImage, size: WorkingSize): Promise<ImageProposals | null> {
    const { fileName } = entry;
    const path = findCobFile(this.#root, fileName);
    if (path === undefined) {
      throw new DataError(
        `${fileName} has no COB proposals in ${this.#root}: ${parse(fileName).name}.mat is missing.`,
        'Every image needs a file, even one without proposals: `cim data` says where they come from and makes others.',
      );
    }
    const masks = await readCobMasks(path);
    const { original } = size;
    if (masks.count === 0) {
      this.#warn(`${fileName} has no proposals: it is left out.`);
      return null;
    }
    if (masks.width !== original.width || masks.height !== original.height) {
      throw new DataError(
        `The proposals ${path} are ${masks.width}×${masks.height}, ${entry.file} is ${original.width}×${original.height}.`,
        'Use images and proposals of the same release.',
      );
    }
    const computed = cobRegions(masks);
    const regions = await this.#checked(entry, path, computed);
    const boxes = clipBoxes(computed.boxes, original.width, original.height);
    const [scaleX, scaleY] = [size.width / original.width, size.height / original.height];
    return {
      network: {
        masks: scaledMasks(masks, computed.boxes, size),
        boxes: boxes.map((value, i) => value * (i % 2 === 0 ? scaleX : scaleY)),
        regionMasks: Float32Array.from(regions.masks),
        overlaps: await readOverlaps(this.#root, fileName, masks.count),
      },
      boxes,
      fileMask: memoised((n) => encodeRle(unpackMask(masks, n), masks.height, masks.width)),
    };
  }

  /** The pickle's regions of the image if it has them: of the same boxes as the masks. */
  async #checked({ id, file, fileName }: LabelledImage, path: string, computed: CobRegions): Promise<CobRegions> {
    const pickle = join(dirname(this.#root), 'cob', pickleName(path, file));
    if (!this.#pickles.has(pickle)) {
      this.#pickles.set(pickle, existsSync(pickle) ? readCobPickle(pickle) : Promise.resolve(new Map()));
    }
    const given = (await this.#pickles.get(pickle))?.get(id);
    if (!given) return computed;
    const at = computed.boxes.findIndex((value, i) => value !== given.boxes[i]);
    if (given.boxes.length === computed.boxes.length && at < 0) return given;
    const counts = [given.boxes.length / 4, computed.boxes.length / 4];
    const difference =
      counts[0] === counts[1]
        ? `box ${Math.floor(at / 4)} differs`
        : `${counts[0]} proposals, now there are ${counts[1]}`;
    throw new DataError(
      `${pickle} is stale: for ${fileName} it was made of other masks than ${path} (${difference}).`,
      'Delete it; it is not needed, and `cim data … --proposals cob` makes it again.',
    );
  }
}

/** The file of `cob/` that an image is listed in: VOC's splits have folders of proposals, COCO's folders of images. */
function pickleName(proposals: string, image: string): string {
  const voc = /^COB_SBD_(\w+)$/.exec(basename(dirname(proposals)));
  return voc ? `voc_2012_${voc[1]}.pkl` : `coco_2017_${basename(dirname(image)).replace(/2017$/, '')}.pkl`;
}

/** Masks at working size. One whose pixels all fall between the samples keeps the pixel at the middle of its box. */
function scaledMasks(masks: PackedMasks, boxes: CobRegions['boxes'], { width, height }: WorkingSize): PackedMasks {
  if (masks.width === width && masks.height === height) return masks;
  const bytes = new Uint8Array(masks.count * width * height);
  for (let n = 0; n < masks.count; n++) {
    const mask = scaledMask(unpackMask(masks, n), masks, { width, height });
    if (!mask.includes(1)) {
      const [x1, y1, x2, y2] = boxes.subarray(4 * n, 4 * n + 4);
      const row = Math.floor((((y1 + y2) / 2) * height) / masks.height);
      mask[row * width + Math.floor((((x1 + x2) / 2) * width) / masks.width)] = 1;
    }
    bytes.set(mask, n * width * height);
  }
  return packMasks(bytes, masks.count, width, height);
}
