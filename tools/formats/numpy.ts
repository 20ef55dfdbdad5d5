/** NumPy's .npy files (numpy/lib/format.py). */
import { dataFailure, type Fail } from './bytes.ts';
import { readWhole } from './file-bytes.ts';
import {
  bytesPerElement,
  decodeElements,
  elementCount,
  isShape,
  NdArray,
  ObjectArray,
  toRowMajor,
  zeros,
} from './ndarray.ts';
import { parseDtype } from './pickle/globals.ts';
import { parsePickle } from './pickle.ts';

export { NdArray, ObjectArray } from './ndarray.ts';

const MAGIC = '\x93NUMPY';
const MAX_FILE_BYTES = 2 ** 32 - 1;

/**
 * An array of a .npy file, row-major whatever its order in the file. Object arrays, such as the one that holds the dict
 * of lib/prm/cls_labels.npy, come as {@link ObjectArray}.
 *
 * @throws DataError when it is damaged or of a type without counterpart.
 */
export const readNpy = async (path: string): Promise<NdArray | ObjectArray> =>
  parseNpy(await readWhole(path, MAX_FILE_BYTES, dataFailure(path)), path);

/** {@link readNpy} of bytes; `name` is what errors call them. */
export function parseNpy(bytes: Uint8Array, name: string): NdArray | ObjectArray {
  const fail = dataFailure(name);
  const { descr, fortran, shape, start } = readHeader(bytes, fail);
  const type = parseDtype(descr) ?? fail(`it holds elements of type ${JSON.stringify(descr)}`);
  const count = elementCount(shape);
  const content = bytes.subarray(start);
  if (type.dtype === 'object') {
    const array = parsePickle(content, name);
    const fits = array instanceof ObjectArray && String(array.shape) === String(shape);
    return fits ? array : fail('its objects are not the array of its header');
  }
  const needed = count * bytesPerElement(type.dtype);
  if (content.length !== needed) fail(`${type.dtype} [${shape}] needs ${needed} bytes, it has ${content.length}`);
  const data = decodeElements(type.dtype, content, type.bigEndian);
  const ordered = fortran && shape.length > 1 ? toRowMajor(data, shape, zeros(type.dtype, count)) : data;
  return new NdArray(type.dtype, shape, ordered);
}

/** `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`. */
const HEADER =
  /^\{'descr': '([^']+)', 'fortran_order': (True|False), 'shape': \(((?:\d{1,16}, ?)*(?:\d{1,16})?)\),? ?\}\s*$/;

function readHeader(bytes: Uint8Array, fail: Fail) {
  const { buffer, byteOffset, length } = bytes;
  if (length < 12 || Buffer.from(buffer, byteOffset, 6).toString('latin1') !== MAGIC) fail('it is not a .npy file');
  const [major, view] = [bytes[6], new DataView(buffer, byteOffset, length)];
  if (major < 1 || major > 3) fail(`its version ${major} is unknown`);
  const wide = major > 1;
  const size = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  const start = (wide ? 12 : 10) + size;
  if (start > length) fail(`the file is truncated: a header of ${size} bytes in a file of ${length}`);
  // NumPy itself reads no longer header.
  if (size > 10_000) fail(`its header has ${size} bytes`);
  const text = Buffer.from(buffer, byteOffset + start - size, size).toString('latin1');
  const [, descr, order, extents] = HEADER.exec(text) ?? fail(`its header is ${JSON.stringify(text.slice(0, 120))}`);
  const shape = extents.split(',').flatMap((extent) => (extent.trim() === '' ? [] : [Number(extent)]));
  if (!isShape(shape)) fail(`it has the impossible shape [${shape}]`);
  return { descr, fortran: order === 'True', shape, start };
}
