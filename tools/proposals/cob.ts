/** The original's proposals as a source: COB's .mat files, with the regions of `data/cob/*.pkl` where given. */
import { parse } from 'node:path';
import { encodeRle } from '@cim/model/evaluate/rle';
import { clipBoxes, type PackedMasks, packMasks, unpackMask } from '@cim/model/masks/index';
import type { LabelledImage } from '../datasets/dataset.ts';
import { DataError } from '../errors.ts';
import { findCobFile, readCobMasks } from './cob-mat.ts';
import { type CobRegions, cobRegions, readCobPickle } from './cob-pickle.ts';
import { readOverlaps } from './overlap-files.ts';
import { scaledMask } from './scale.ts';
import type { ImageProposals, ProposalSource, WorkingSize } from './source.ts';

/** Which files beside the masks are used. */
export interface CobFiles {
  /** Of `data/cob/`: images they list are checked against the masks. Without, regions are computed. */
  readonly pickles: readonly string[];
  /** Whether the files of `data/cob_iou/` and `data/cob_asy_iou/` are used, for images that have both. */
  readonly overlaps: boolean;
}

export class CobProposals implements ProposalSource {
  readonly #root: string;
  readonly #regions: ReadonlyMap<number, CobRegions>;
  /** Of the files that the regions came from. */
  readonly #pickles: readonly string[];
  readonly #overlaps: boolean;
  readonly #warn: (message: string) => void;

  /**
   * @param root the data set's folder: `data/VOC2012` or `data/coco2017`.
   * @param report told of images without proposals.
   * @throws DataError when a pickle is damaged.
   */
  static async open(
    root: string,
    { pickles, overlaps }: CobFiles,
    { warn }: { warn(message: string): void },
  ): Promise<CobProposals> {
    const regions = new Map<number, CobRegions>();
    for (const file of pickles) for (const [id, found] of await readCobPickle(file)) regions.set(id, found);
    return new CobProposals(root, pickles, regions, overlaps, warn);
  }

  private constructor(
    root: string,
    pickles: readonly string[],
    regions: ReadonlyMap<number, CobRegions>,
    overlaps: boolean,
    warn: (message: string) => void,
  ) {
    this.#root = root;
    this.#pickles = pickles;
    this.#regions = regions;
    this.#overlaps = overlaps;
    this.#warn = warn;
  }

  /** @throws DataError when the masks are of another size than the image, or a pickle is of other masks. */
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
    const regions = this.#checked(entry, path, computed);
    const boxes = clipBoxes(computed.boxes, original.width, original.height);
    const [scaleX, scaleY] = [size.width / original.width, size.height / original.height];
    return {
      network: {
        masks: scaledMasks(masks, computed.boxes, size),
        boxes: boxes.map((value, i) => value * (i % 2 === 0 ? scaleX : scaleY)),
        regionMasks: Float32Array.from(regions.masks),
        overlaps: this.#overlaps ? await readOverlaps(this.#root, fileName, masks.count) : undefined,
      },
      boxes,
      fileMasks: () =>
        Array.from({ length: masks.count }, (_, n) => encodeRle(unpackMask(masks, n), masks.height, masks.width)),
    };
  }

  /** The pickle's regions of the image if it has them: of the same boxes as the masks. */
  #checked({ id, fileName }: LabelledImage, path: string, computed: CobRegions): CobRegions {
    const given = this.#regions.get(id);
    if (!given) return computed;
    const at = computed.boxes.findIndex((value, i) => value !== given.boxes[i]);
    if (given.boxes.length === computed.boxes.length && at < 0) return given;
    const counts = [given.boxes.length / 4, computed.boxes.length / 4];
    const difference =
      counts[0] === counts[1]
        ? `box ${Math.floor(at / 4)} differs`
        : `${counts[0]} proposals, now there are ${counts[1]}`;
    throw new DataError(
      `${this.#pickles.join(' or ')} is stale: for ${fileName} it was made of other masks than ${path} (${difference}).`,
      'Delete it; it is not needed, and `cim data … --proposals cob` makes it again.',
    );
  }
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
