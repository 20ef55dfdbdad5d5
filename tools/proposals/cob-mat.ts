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
  const maskmat = (await readMat(path, ['maskmat'])).get('maskmat');
  if (maskmat instanceof NdArray && maskmat.shape.length === 3) {
    const [count, height, width] = maskmat.shape;
    const mask = (n: number) => maskmat.data.subarray(n * height * width, (n + 1) * height * width);
    return pack(count, width, height, mask, fail);
  }
  if (maskmat instanceof ObjectArray && maskmat.shape.length === 2 && maskmat.shape[1] === 1) {
    const { items } = maskmat;
    const first = items[0] instanceof NdArray ? items[0].shape : [0, 0];
    const [height, width] = first;
    const mask = (n: number) => {
      const item = items[n];
      if (!(item instanceof NdArray) || item.shape.join() !== first.join()) {
        const found = item instanceof NdArray ? item.shape.join('×') : 'no array';
        return fail(`mask ${n} is ${found}, mask 0 is ${first.join('×')}`);
      }
      return item.data;
    };
    return pack(items.length, width, height, mask, fail);
  }
  const hasShape = maskmat instanceof NdArray || maskmat instanceof ObjectArray;
  const found = hasShape ? `of shape ${maskmat.shape.join('×')}` : maskmat === undefined ? 'missing' : 'no array';
  return fail(`its "maskmat" is ${found}; a cell N×1 of masks or an array N×H×W is needed`);
}

function pack(
  count: number,
  width: number,
  height: number,
  mask: (n: number) => NdArray['data'],
  fail: (problem: string) => never,
): PackedMasks {
  const stride = Math.ceil((width * height) / 32);
  const words = new Uint32Array(count * stride);
  for (let n = 0; n < count; n++) {
    const pixels = mask(n) as Uint8Array;
    let inside = 0;
    for (let p = 0; p < pixels.length; p++) {
      const value = pixels[p];
      if (value === 0) continue;
      if (value !== 1) fail(`mask ${n} holds the value ${value}; only 0 and 1 are masks`);
      words[n * stride + (p >>> 5)] |= 1 << (p & 31);
      inside++;
    }
    if (inside === 0) fail(`mask ${n} is empty`);
  }
  return { words, count, width, height };
}
