/**
 * `data/cob_iou/<set>/<image>.pkl` and `data/cob_asy_iou/…` (create_cob_iou.py, create_cob_asy_iou.py): a pickled float16
 * array [N, N] each. They are computed when needed; files that are there save that.
 */
import { existsSync } from 'node:fs';
import { basename, dirname, join, parse } from 'node:path';
import type { HostOverlaps } from '@cim/model/masks/index';
import { DataError } from '../errors.ts';
import { NdArray } from '../formats/ndarray.ts';
import { readPickle } from '../formats/pickle.ts';

/**
 * The overlaps of an image's `count` proposals, or undefined unless both files are there. `root` is the data set's folder:
 * the files are in folders beside it.
 *
 * @throws DataError when a file is damaged, or of another number of proposals.
 */
export async function readOverlaps(root: string, fileName: string, count: number): Promise<HostOverlaps | undefined> {
  const [iou, containment] = ['cob_iou', 'cob_asy_iou'].map((folder) =>
    join(dirname(root), folder, basename(root), `${parse(fileName).name}.pkl`),
  );
  if (!existsSync(iou) || !existsSync(containment)) return undefined;
  return { iou: await readMap(iou, count), containment: await readMap(containment, count) };
}

async function readMap(path: string, count: number): Promise<Float32Array> {
  const fail = (problem: string): never => {
    throw new DataError(
      `${path} does not hold the overlaps of the image's proposals: ${problem}.`,
      'Delete the file: overlaps are computed when needed.',
    );
  };
  const map = await readPickle(path);
  if (!(map instanceof NdArray) || !map.dtype.startsWith('float')) return fail('it is no array of numbers');
  if (map.shape.join() !== `${count},${count}`) {
    return fail(`it is ${map.shape.join('×')}, for ${count} proposals it should be ${count}×${count}`);
  }
  const values = map.toFloat32();
  for (let n = 0; n < count; n++) {
    const own = values[n * count + n];
    if (own !== 1) fail(`proposal ${n} overlaps itself by ${own}`);
  }
  return values;
}
