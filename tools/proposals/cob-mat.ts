/**
 * COB's mask proposals (Maninis et al., PAMI 2018) as the original reads them: MATLAB v5 files of one variable, `maskmat`.
 * For VOC it is an N×1 cell of H×W masks, for COCO an array N×H×W. Every value is 0 or 1, and no mask is empty.
 */
import { existsSync } from 'node:fs';
import { join, parse } from 'node:path';
import type { PackedMasks } from '@cim/model/masks/index';
import { DataError } from '../errors.ts';
import { readMat } from '../formats/mat.ts';
import { NdArray, ObjectArray } from '../formats/ndarray.ts';

/** Where an image's file may be, in the order of the original; COCO's images of 2017 have files named after 2014. */
const FOLDERS: readonly (readonly [folder: string, prefix: string])[] = [
  ['COB_SBD_trainaug', ''],
  ['COB_SBD_val', ''],
  ['COB-COCO', 'COCO_train2014_'],
  ['COB-COCO', 'COCO_val2014_'],
  ['COB-COCO', ''],
];

/** The COB file of an image, or undefined when there is none. `root` is the data set's folder. */
export function findCobFile(root: string, fileName: string): string | undefined {
  const { name } = parse(fileName);
  return FOLDERS.map(([folder, prefix]) => join(root, folder, `${prefix}${name}.mat`)).find((file) => existsSync(file));
}

/**
 * The masks of a COB file, in its order.
 *
 * @throws DataError when it is damaged, or holds no masks of one size, an empty mask, or a value other than 0 and 1.
 */
export async function readCobMasks(path: string): Promise<PackedMasks> {
  const fail = (problem: string): never => {
    throw new DataError(
      `Cannot use the proposals ${path}: ${problem}.`,
      'Each image needs the masks of COB, or `cim data … --proposals make`, in the variable "maskmat".',
    );
  };
  const maskmat = (await readMat(path, { names: ['maskmat'], reversed: true })).get('maskmat');
  if (maskmat instanceof NdArray && maskmat.shape.length === 3) {
    const [width, height, count] = maskmat.shape;
    const masks = emptyMasks(count, width, height);
    pack(masks, 0, count, maskmat.data, fail);
    return masks;
  }
  if (maskmat instanceof ObjectArray && maskmat.shape.length === 2 && maskmat.shape[1] === 1) {
    const { items } = maskmat;
    const [width, height] = items[0] instanceof NdArray ? items[0].shape : [0, 0];
    const masks = emptyMasks(items.length, width, height);
    for (const [n, item] of items.entries()) {
      const shape = item instanceof NdArray ? item.shape.toReversed().join('×') : 'no array';
      if (!(item instanceof NdArray) || shape !== `${height}×${width}`) {
        return fail(`mask ${n} is ${shape}, mask 0 is ${height}×${width}`);
      }
      pack(masks, n, 1, item.data, fail);
    }
    return masks;
  }
  const hasShape = maskmat instanceof NdArray || maskmat instanceof ObjectArray;
  const found = hasShape ? `of shape ${maskmat.shape.join('×')}` : maskmat === undefined ? 'missing' : 'no array';
  return fail(`its "maskmat" is ${found}; a cell N×1 of masks or an array N×H×W is needed`);
}

const emptyMasks = (count: number, width: number, height: number): PackedMasks => ({
  words: new Uint32Array(count * Math.ceil((width * height) / 32)),
  count,
  width,
  height,
});

/** Sets `count` masks from n on, from their values pixel by pixel, column after column. */
function pack(
  { words, width, height }: PackedMasks,
  n: number,
  count: number,
  values: NdArray['data'],
  fail: (problem: string) => never,
): void {
  const stride = Math.ceil((width * height) / 32);
  const areas = new Uint32Array(count);
  for (let x = 0, i = 0; x < width; x++) {
    for (let y = 0, p = x; y < height; y++, p += width) {
      for (let k = 0; k < count; k++, i++) {
        const value = values[i];
        if (value === 0) continue;
        if (value !== 1) fail(`mask ${n + k} holds the value ${value}; only 0 and 1 are masks`);
        words[(n + k) * stride + (p >>> 5)] |= 1 << (p & 31);
        areas[k]++;
      }
    }
  }
  const empty = areas.indexOf(0);
  if (empty >= 0) fail(`mask ${n + empty} is empty`);
}
