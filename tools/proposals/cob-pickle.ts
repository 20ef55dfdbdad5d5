/**
 * `data/cob/*.pkl` (generate_7_7_voc.py, generate_7_7_coco.py): a pickled dict of parallel lists, an item an image, ids
 * ascending: `indexes` ids, `boxes` uint16 [N, 4] with exclusive ends, `masks` bool [N, 7, 7], `scores` float64 [N] of 0.
 */
import { cropPackedMask, type PackedMasks, packedMaskBox } from '@cim/model/masks/index';
import { REGION_SIZE } from '@cim/model/region/mask-fuse';
import { DataError } from '../errors.ts';
import { NdArray } from '../formats/ndarray.ts';
import { type Picklable, readPickle, writePickle } from '../formats/pickle.ts';

/** The boxes and 7×7 masks of one image. */
export interface CobRegions {
  /** [N, 4]: x1, y1, and exclusive x2, y2, in pixels of the file. */
  readonly boxes: Uint16Array<ArrayBuffer>;
  /** [N, 7, 7] of 0 and 1. */
  readonly masks: Uint8Array<ArrayBuffer>;
}

/** What generate_7_7_*.py makes of the masks of an image. None of them may be empty. */
export function cobRegions(masks: PackedMasks): CobRegions {
  const { count } = masks;
  const boxes = new Uint16Array(4 * count);
  const crops = new Uint8Array(count * REGION_SIZE ** 2);
  for (let n = 0; n < count; n++) {
    const box = packedMaskBox(masks, n);
    if (!box) throw new DataError(`Proposal ${n} has an empty mask.`, 'Make the proposals again.');
    boxes.set(box, 4 * n);
    crops.set(cropPackedMask(masks, n, box), n * REGION_SIZE ** 2);
  }
  return { boxes, masks: crops };
}

/** Writes regions by image id as the original's scripts do. @throws OutputError when it cannot be written. */
export async function writeCobPickle(path: string, regions: ReadonlyMap<number, CobRegions>): Promise<void> {
  const indexes = [...regions.keys()].sort((a, b) => a - b);
  const each = (make: (regions: CobRegions, count: number) => Picklable): Picklable[] =>
    indexes.map((id) => {
      const found = regions.get(id) as CobRegions;
      return make(found, found.boxes.length / 4);
    });
  await writePickle(path, {
    indexes,
    masks: each(({ masks }, count) => new NdArray('bool', [count, REGION_SIZE, REGION_SIZE], masks)),
    boxes: each(({ boxes }, count) => new NdArray('uint16', [count, 4], boxes)),
    scores: each((_, count) => new NdArray('float64', [count], new Float64Array(count))),
  });
}

/**
 * Reads regions by image id. The ids may be in any order, under the key `indexes` or `ids`, each once.
 *
 * @throws DataError that names the file, and the image at fault.
 */
export async function readCobPickle(path: string): Promise<Map<number, CobRegions>> {
  const fail = (problem: string): never => {
    throw new DataError(
      `${path} does not hold proposals: ${problem}.`,
      'Delete it and make it again with `cim data … --proposals cob`.',
    );
  };
  const value = await readPickle(path);
  if (!(value instanceof Map)) return fail('it is no dict');
  const list = (key: string): readonly unknown[] => {
    const items: unknown = value.get(key);
    return Array.isArray(items) ? items : fail(`it has no list "${key}"`);
  };
  const ids = list(value.has('indexes') ? 'indexes' : 'ids');
  const [boxes, masks] = [list('boxes'), list('masks')];
  if (boxes.length !== ids.length || masks.length !== ids.length) {
    fail(`it lists ${ids.length} images, ${boxes.length} arrays of boxes and ${masks.length} of masks`);
  }
  const regions = new Map<number, CobRegions>();
  for (const [i, id] of ids.entries()) {
    if (typeof id !== 'number' || !Number.isSafeInteger(id)) return fail(`image ${i} has the id ${String(id)}`);
    if (regions.has(id)) fail(`image ${id} stands twice`);
    const [b, m] = [boxes[i], masks[i]];
    if (!(b instanceof NdArray) || b.shape.length !== 2 || b.shape[1] !== 4) {
      return fail(`the boxes of image ${id} are no array N×4`);
    }
    const expected = [b.shape[0], REGION_SIZE, REGION_SIZE].join('×');
    if (!(m instanceof NdArray) || m.shape.join('×') !== expected) {
      return fail(
        `the masks of image ${id} are ${m instanceof NdArray ? m.shape.join('×') : 'no array'}, not ${expected}`,
      );
    }
    // COCO's file has a gigabyte of them: what is of the usual type is not copied.
    regions.set(id, {
      boxes: b.data instanceof Uint16Array ? (b.data as CobRegions['boxes']) : Uint16Array.from(b.toNumbers()),
      masks: m.data instanceof Uint8Array ? (m.data as CobRegions['masks']) : Uint8Array.from(m.toNumbers()),
    });
  }
  return regions;
}
