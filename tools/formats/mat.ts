/**
 * MATLAB files, version 5 (MathWorks, "MAT-File Format"): what COB's proposals come in. The packaged parsers are either
 * under the GPL or trust the sizes in the file.
 */
import { promisify } from 'node:util';
import { createInflate, inflate } from 'node:zlib';
import { reasonOf } from '../errors.ts';
import { dataFailure, type Fail } from './bytes.ts';
import { readWhole } from './file-bytes.ts';
import {
  bytesPerElement,
  type DType,
  decodeElements,
  elementCount,
  isShape,
  NdArray,
  ObjectArray,
  toRowMajor,
  zeros,
} from './ndarray.ts';

/** A numeric or logical (uint8) array, a sparse one as float64, a cell array, a text, or the fields of a struct array. */
export type MatValue = NdArray | ObjectArray<MatValue> | string | { readonly [field: string]: ObjectArray<MatValue> };

export interface MatOptions {
  /** Only these variables are read. */
  readonly names?: readonly string[];
  /** Arrays of numbers get their axes reversed: the order they are stored in, so that large ones need not be turned. */
  readonly reversed?: boolean;
}

/** Numbers in one variable: 200 masks of 1 000 × 1 000, and room. */
const MAX_ELEMENTS = 2 ** 28;
const MAX_FILE_BYTES = 2 ** 31;
/** DEFLATE cannot expand more. */
const MAX_EXPANSION = 1032;
const MAX_DEPTH = 16;
const HEADER_BYTES = 128;

/**
 * The variables of a MATLAB v5 file, arrays row-major, logical ones as uint8.
 *
 * @throws DataError when it is damaged, of another version, absurdly large, or a wanted variable is complex or of a
 *   class without counterpart.
 */
export const readMat = async (path: string, options?: MatOptions): Promise<Map<string, MatValue>> =>
  parseMat(await readWhole(path, MAX_FILE_BYTES, dataFailure(path)), path, options);

/** {@link readMat} of bytes; `name` is what errors call them. */
export async function parseMat(
  bytes: Uint8Array,
  name: string,
  { names, reversed = false }: MatOptions = {},
): Promise<Map<string, MatValue>> {
  const fail = dataFailure(name);
  const littleEndian = readHeader(bytes, fail);
  const variables = new Map<string, MatValue>();
  let position = HEADER_BYTES;
  while (position < bytes.length) {
    const file = new ElementReader(bytes, littleEndian, fail, position);
    const { type, content, end } = file.element();
    position = type === COMPRESSED ? position + 8 + content.length : end;
    const matrix = type === COMPRESSED ? await unpack(content, littleEndian, fail) : { type, content };
    if (matrix.type !== MATRIX) fail(`it holds an element of type ${matrix.type} where a variable should be`);
    const reader = new MatrixReader(littleEndian, reversed, fail);
    const variable = reader.head(matrix.content);
    if (!names || names.includes(variable.name)) variables.set(variable.name, reader.value(variable, 0));
  }
  return variables;
}

function readHeader(bytes: Uint8Array, fail: Fail): boolean {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, HEADER_BYTES)).toString('latin1');
  if (text.startsWith('\x89HDF') || text.startsWith('MATLAB 7.3')) {
    fail('it is a MATLAB 7.3 (HDF5) file; save it with -v7');
  }
  if (text.length < HEADER_BYTES) fail(`it is not a MATLAB file (${bytes.length} bytes)`);
  const order = text.slice(126);
  if (order !== 'IM' && order !== 'MI') fail('it is not a MATLAB v5 file');
  const littleEndian = order === 'IM';
  const version = new DataView(bytes.buffer, bytes.byteOffset).getUint16(124, littleEndian);
  if (version !== 0x0100) fail(`it is a MATLAB file of version 0x${version.toString(16)}; 0x100 (v5) is known`);
  return littleEndian;
}

// Data types of elements.
const COMPRESSED = 15;
const MATRIX = 14;
const TYPES: Readonly<Record<number, DType>> = {
  1: 'int8',
  2: 'uint8',
  3: 'int16',
  4: 'uint16',
  5: 'int32',
  6: 'uint32',
  7: 'float32',
  9: 'float64',
  12: 'int64',
  13: 'uint64',
  16: 'uint8', // UTF-8
  17: 'uint16', // UTF-16
};
// Classes of arrays.
const CELL = 1;
const STRUCT = 2;
const CHAR = 4;
const SPARSE = 5;
const CLASSES: Readonly<Record<number, DType>> = {
  6: 'float64',
  7: 'float32',
  8: 'int8',
  9: 'uint8',
  10: 'int16',
  11: 'uint16',
  12: 'int32',
  13: 'uint32',
  14: 'int64',
  15: 'uint64',
};
const COMPLEX_FLAG = 0x0800;
/** A sparse element that is zero takes no room in the file, but as many times a byte's here. */
const SPARSE_COST = 8;

interface Element {
  readonly type: number;
  readonly content: Uint8Array;
  /** Where the next element begins. */
  readonly end: number;
}

/** Walks the elements of a buffer: a tag (type and size; of up to four bytes in one word), content, padding. */
class ElementReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #littleEndian: boolean;
  readonly #fail: Fail;
  #position: number;

  constructor(bytes: Uint8Array, littleEndian: boolean, fail: Fail, position = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#littleEndian = littleEndian;
    this.#fail = fail;
    this.#position = position;
  }

  element(): Element {
    const at = this.#position;
    const word = this.#uint32(at);
    const small = word >>> 16;
    const type = small > 0 ? word & 0xffff : word;
    const size = small > 0 ? small : this.#uint32(at + 4);
    const begin = small > 0 ? at + 4 : at + 8;
    if (small > 4 || begin + size > this.#bytes.length) {
      this.#fail(`an element of ${size} bytes at byte ${at} reaches beyond its ${this.#bytes.length} bytes`);
    }
    // The last element may lack its padding.
    this.#position = Math.min(this.#bytes.length, begin + (small > 0 ? 4 : Math.ceil(size / 8) * 8));
    return { type, content: this.#bytes.subarray(begin, begin + size), end: this.#position };
  }

  #uint32(at: number): number {
    if (at + 4 > this.#bytes.length) this.#fail(`the file is truncated at byte ${this.#bytes.length} of an element`);
    return this.#view.getUint32(at, this.#littleEndian);
  }
}

const inflated = promisify(inflate);

/** A compressed variable. Its own tag says how large it is: no more than that is unpacked. */
async function unpack(packed: Uint8Array, littleEndian: boolean, fail: Fail) {
  const damaged = (error: unknown) => fail(`a compressed variable is damaged (${reasonOf(error)})`, error);
  const limit = 8 * MAX_ELEMENTS;
  const size = await inflatedSize(packed, littleEndian).catch(damaged);
  if (size === null || size > limit || size > MAX_EXPANSION * packed.length + 8) {
    return fail(`a compressed variable of ${packed.length} bytes claims to unpack to ${size ?? 'nothing'}`);
  }
  const bytes = await inflated(packed, { maxOutputLength: size + 8 }).catch(damaged);
  const { type, content } = new ElementReader(bytes, littleEndian, fail).element();
  return { type, content };
}

/** The size in the tag that a compressed variable begins with. */
async function inflatedSize(packed: Uint8Array, littleEndian: boolean): Promise<number | null> {
  const stream = createInflate({ chunkSize: 64 });
  try {
    stream.end(packed.subarray(0, 4096));
    for await (const chunk of stream) {
      const bytes = chunk as Buffer;
      if (bytes.length < 8) return null;
      return littleEndian ? bytes.readUInt32LE(4) : bytes.readUInt32BE(4);
    }
    return null;
  } finally {
    stream.destroy();
  }
}

/** An array before its content: class, flags, shape and name. */
interface Head {
  readonly name: string;
  readonly class: number;
  readonly complex: boolean;
  readonly shape: readonly number[];
  readonly rest: ElementReader;
}

class MatrixReader {
  readonly #littleEndian: boolean;
  readonly #reversed: boolean;
  readonly #fail: Fail;
  /** Elements read so far: cells in cells count as well. */
  #elements = 0;

  constructor(littleEndian: boolean, reversed: boolean, fail: Fail) {
    this.#littleEndian = littleEndian;
    this.#reversed = reversed;
    this.#fail = fail;
  }

  head(bytes: Uint8Array): Head {
    const fail = this.#fail;
    const rest = new ElementReader(bytes, this.#littleEndian, fail);
    const flags = this.#numbers(rest.element(), 2);
    const shape = this.#numbers(rest.element(), 32);
    const name = Buffer.from(rest.element().content).toString('latin1');
    if (flags.length !== 2 || shape.length < 2 || !isShape(shape))
      fail(`"${name}" has the impossible shape [${shape}]`);
    return { name, class: flags[0] & 0xff, complex: (flags[0] & COMPLEX_FLAG) !== 0, shape, rest };
  }

  value({ name, class: kind, complex, shape, rest }: Head, depth: number): MatValue {
    const fail = this.#fail;
    const count = elementCount(shape);
    this.#elements += kind === SPARSE ? SPARSE_COST * count : count;
    if (this.#elements > MAX_ELEMENTS) fail(`"${name}" of [${shape}] has more than ${MAX_ELEMENTS} elements`);
    if (depth > MAX_DEPTH) fail(`"${name}" is nested more than ${MAX_DEPTH} deep`);
    if (complex) fail(`"${name}" is complex`);
    if (kind === CELL) return new ObjectArray(shape, this.#cells(rest, shape, depth));
    if (kind === STRUCT) return this.#struct(rest, shape, depth);
    if (kind === SPARSE) return this.#sparse(rest, name, shape);
    const content = rest.element();
    if (kind === CHAR) return this.#text(content, name, count);
    const dtype = CLASSES[kind] ?? fail(`"${name}" is of the MATLAB class ${kind}, which is unknown here`);
    const stored = this.#decode(content);
    if (stored.length !== count) fail(`"${name}" of [${shape}] has ${stored.length} elements`);
    if (dtype.endsWith('int64') && (stored instanceof Float32Array || stored instanceof Float64Array)) {
      fail(`"${name}" of class ${dtype} is stored as floating-point numbers`);
    }
    if (this.#reversed) return new NdArray(dtype, shape.toReversed(), convert(stored, zeros(dtype, 0)));
    const numbers = zeros(dtype, count);
    return new NdArray(dtype, shape, toRowMajor(convert(stored, numbers), shape, numbers));
  }

  #cells(rest: ElementReader, shape: readonly number[], depth: number): MatValue[] {
    const count = elementCount(shape);
    const cells: MatValue[] = [];
    while (cells.length < count) cells.push(this.#matrix(rest, depth));
    return toRowMajor(cells, shape, new Array<MatValue>(count)) as MatValue[];
  }

  /** Field names of equal length, then the fields of every element in turn. */
  #struct(rest: ElementReader, shape: readonly number[], depth: number): MatValue {
    const [length] = this.#numbers(rest.element(), 1);
    const { content } = rest.element();
    if (!(length > 0)) this.#fail(`the field names of a struct have ${String(length)} characters`);
    const names = Array.from({ length: Math.floor(content.length / length) }, (_, i) =>
      Buffer.from(content.subarray(i * length, (i + 1) * length))
        .toString('latin1')
        .replace(/\0.*$/s, ''),
    );
    const count = elementCount(shape);
    const columns = names.map((): MatValue[] => []);
    for (let i = 0; i < count; i++) for (const column of columns) column.push(this.#matrix(rest, depth));
    const fields = columns.map((column, i) => [names[i], ordered(column)] as const);
    return Object.fromEntries(fields);

    function ordered(column: MatValue[]): ObjectArray<MatValue> {
      return new ObjectArray(shape, toRowMajor(column, shape, new Array<MatValue>(count)) as MatValue[]);
    }
  }

  /** Column by column: row indices, where each column's begin, and the values. */
  #sparse(rest: ElementReader, name: string, shape: readonly number[]): NdArray {
    const [rows, columns] = shape;
    const [indices, starts, values] = [0, 1, 2].map(() => this.#decode(rest.element()));
    const dense = zeros('float64', rows * columns);
    let damaged = shape.length !== 2 || starts.length !== columns + 1;
    for (let column = 0; column < columns && !damaged; column++) {
      const [begin, end] = [Number(starts[column]), Number(starts[column + 1])];
      damaged = !(begin >= 0 && begin <= end && end <= Math.min(indices.length, values.length));
      for (let i = begin; i < end && !damaged; i++) {
        const row = Number(indices[i]);
        damaged = !(row >= 0 && row < rows);
        dense[row * columns + column] = Number(values[i]);
      }
    }
    if (damaged) this.#fail(`the sparse array "${name}" of [${shape}] has indices beyond it`);
    return new NdArray('float64', shape, dense);
  }

  #matrix(rest: ElementReader, depth: number): MatValue {
    const { type, content } = rest.element();
    if (type !== MATRIX) this.#fail(`a cell holds an element of type ${type}`);
    // MATLAB writes an empty matrix without any content.
    if (content.length === 0) return new NdArray('float64', [0, 0], new Float64Array());
    return this.value(this.head(content), depth + 1);
  }

  #text({ type, content }: Element, name: string, count: number): string {
    const text =
      type === UTF16
        ? String.fromCharCode(...this.#characters({ type, content, end: 0 }, name))
        : Buffer.from(content).toString(type === UTF8 ? 'utf8' : 'latin1');
    return [...text].slice(0, count).join('');
  }

  #characters(element: Element, name: string): number[] {
    const codes = this.#decode(element);
    if (codes.length > 2 ** 16) this.#fail(`the text "${name}" has ${codes.length} characters`);
    return Array.from(codes as Uint16Array);
  }

  #numbers(element: Element, limit: number): number[] {
    const numbers = this.#decode(element);
    if (numbers.length > limit) this.#fail(`a list of up to ${limit} numbers has ${numbers.length}`);
    return Array.from(numbers as ArrayLike<number | bigint>, Number);
  }

  #decode({ type, content }: Element) {
    const dtype = TYPES[type] ?? this.#fail(`it holds numbers of type ${type}, which is unknown`);
    if (content.length % bytesPerElement(dtype) > 0)
      this.#fail(`${content.length} bytes are no whole ${dtype} numbers`);
    return decodeElements(dtype, content, !this.#littleEndian);
  }
}

const UTF8 = 16;
const UTF16 = 17;

type Numbers = NdArray['data'];

/** MATLAB stores numbers in the smallest type that holds them: 1.0 as a byte. */
function convert(stored: Numbers, like: Numbers): Numbers {
  if (stored.constructor === like.constructor) return stored;
  const wide = like instanceof BigInt64Array || like instanceof BigUint64Array;
  const numbers = new (like.constructor as new (length: number) => Numbers)(stored.length);
  for (let i = 0; i < stored.length; i++) numbers[i] = wide ? BigInt(stored[i]) : Number(stored[i]);
  return numbers;
}
