/**
 * Cluster labels as the original keeps them (`data/label_assign/*.pkl`, AGPL_label_assign.py): a pickled dict of
 * `indexes`, the image ids, `mat`, for each float32 [N, C+1], and `score`, an empty list.
 */
import { DataError } from '../errors.ts';
import { NdArray } from '../formats/ndarray.ts';
import { type Picklable, readPickle, writePickle } from '../formats/pickle.ts';
import { type CompactClusters, compactClusters, expandClusters } from './clusters.ts';

/** @param columns C + 1. @throws OutputError when it cannot be written. */
export async function writeLabelPickle(
  path: string,
  clusters: ReadonlyMap<number, CompactClusters>,
  columns: number,
): Promise<void> {
  const indexes = [...clusters.keys()];
  // Spelt out the matrices of a large data set do not fit into memory: each is made when its turn has come.
  const mat: Picklable[] = [];
  for (const [i, compact] of [...clusters.values()].entries()) {
    const get = (): NdArray => new NdArray('float32', [compact.length / 2, columns], expandClusters(compact, columns));
    Object.defineProperty(mat, i, { get, enumerable: true });
  }
  await writePickle(path, { indexes, mat, score: [] });
}

/**
 * @param columns C + 1.
 * @throws DataError when the file is damaged or does not hold labels of so many classes.
 */
export async function readLabelPickle(path: string, columns: number): Promise<Map<number, CompactClusters>> {
  const fail = (problem: string): never => {
    throw new DataError(
      `${path} does not hold cluster labels: ${problem}.`,
      'Give a file that AGPL_label_assign.py, point_level_label_assign.py or `cim assign --pickle` wrote.',
    );
  };
  const value = await readPickle(path);
  const [indexes, mat] = ['indexes', 'mat'].map((key) => (value instanceof Map ? value.get(key) : undefined));
  if (!Array.isArray(indexes) || !Array.isArray(mat) || indexes.length !== mat.length) {
    return fail('it is not a dict with the lists "indexes" and "mat" of one length');
  }
  return new Map(
    mat.map((matrix: unknown, i) => {
      const id: unknown = indexes[i];
      if (typeof id !== 'number' || !Number.isInteger(id)) return fail(`image id ${i} is not a whole number`);
      if (!(matrix instanceof NdArray) || !['float32', 'float64'].includes(matrix.dtype) || matrix.shape.length !== 2)
        return fail(`the labels of image ${id} are no matrix of numbers`);
      if (matrix.shape[1] !== columns)
        return fail(
          `the labels of image ${id} have ${matrix.shape[1]} columns, not ${columns}: a background and the classes`,
        );
      const data = matrix.data as Float32Array;
      if (!data.every((number) => Number.isInteger(number) && number >= 0 && number < 2 ** 16))
        return fail(`the labels of image ${id} are no cluster numbers`);
      const compact = compactClusters(data, columns);
      if (nonZero(compact.filter((_, at) => at % 2 === 1)) !== nonZero(data))
        return fail(`a proposal of image ${id} is in two clusters`);
      return [id, compact];
    }),
  );
}

const nonZero = (numbers: Float32Array | Uint16Array): number => {
  let count = 0;
  for (const number of numbers) if (number !== 0) count++;
  return count;
};
