/** Python pickles: dicts, lists, numbers, text and NumPy arrays. Nothing that a file names is ever executed. */
import { writeFileAtomic } from './atomic.ts';
import { dataFailure } from './bytes.ts';
import { readWhole } from './file-bytes.ts';
import { checkTree } from './pickle/check-tree.ts';
import { GLOBALS } from './pickle/globals.ts';
import { runPickle } from './pickle/machine.ts';
import { encodePickle, type Picklable } from './pickle/writer.ts';

export { PickleObject, Tuple } from './pickle/values.ts';
export { encodePickle, type Picklable } from './pickle/writer.ts';

/** Longest buffer of Node 20. */
const MAX_FILE_BYTES = 2 ** 32 - 1;

/** Values that shared parts of a file of this many bytes may unfold to. */
export const unfoldedLimit = (bytes: number): number => 1_000_000 + 16 * bytes;

/**
 * The value of a pickle of any protocol: dict → Map, list → array, tuple → {@link Tuple}, set → Set, None → null, int →
 * number (bigint beyond 2^53), float → number, str → string, bytes → Uint8Array, numpy array → NdArray (ObjectArray for
 * dtype object), numpy scalar → number, argparse.Namespace and the like → {@link PickleObject}.
 *
 * @param name what to call the data in errors.
 * @throws DataError when it is damaged, names anything but harmless types, or unfolds to absurd sizes.
 */
export function parsePickle(bytes: Uint8Array, name: string): unknown {
  const fail = dataFailure(name);
  const { value } = runPickle(bytes, 0, { globals: GLOBALS }, fail);
  checkTree(value, unfoldedLimit(bytes.length), fail);
  return value;
}

/** {@link parsePickle} of a file. */
export const readPickle = async (path: string): Promise<unknown> =>
  parsePickle(await readWhole(path, MAX_FILE_BYTES, dataFailure(path)), path);

/**
 * Writes a value as Python's `pickle.dump(value, file, protocol=4)` does: Map or plain object → dict, array → list,
 * {@link Tuple} → tuple, NdArray → numpy array, integral number → int, other number → float.
 *
 * @throws OutputError when it cannot be written; DataError for values that have no counterpart.
 */
export const writePickle = (path: string, value: Picklable): Promise<void> =>
  writeFileAtomic(path, encodePickle(value));
