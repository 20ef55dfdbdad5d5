/** What a pickle may name: classes and functions of a fixed list, each rebuilt here from checked arguments. */
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
} from '../ndarray.ts';
import { PickleObject, Tuple } from './values.ts';

/** Says what is wrong with an argument, as the middle of a sentence. */
export type Reject = (problem: string) => never;

/** A name that a pickle may call. It gets the arguments as they stand in the file. */
export class Callable {
  readonly name: string;
  readonly call: (args: readonly unknown[], reject: Reject) => unknown;
  constructor(name: string, call: (args: readonly unknown[], reject: Reject) => unknown) {
    this.name = name;
    this.call = call;
  }
}

/** A value that BUILD completes; `value` is what stands for it in the end. */
export interface Pending {
  build(state: unknown, reject: Reject): void;
  readonly value: unknown;
}
export const isPending = (value: unknown): value is Pending =>
  value instanceof PendingArray || value instanceof PendingDtype;

/** `module.name` to a callable or to a plain value. */
export type Globals = ReadonlyMap<string, unknown>;

const KINDS: Readonly<Record<string, DType>> = {
  b1: 'bool',
  i1: 'int8',
  i2: 'int16',
  i4: 'int32',
  i8: 'int64',
  u1: 'uint8',
  u2: 'uint16',
  u4: 'uint32',
  u8: 'uint64',
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
};

/** NumPy's code of a dtype without byte order: `f4`. */
export const numpyCode = (dtype: DType): string => {
  const code = Object.keys(KINDS).find((key) => KINDS[key] === dtype);
  if (code === undefined) throw new RangeError(`NumPy has no ${dtype}.`);
  return code;
};

/** The element type of a NumPy code with or without byte order: `<f4`, `|b1`, `O`. */
export function parseDtype(code: string): { dtype: DType | 'object'; bigEndian: boolean } | null {
  const [, order, kind] = /^([<>|=]?)(.+)$/.exec(code) ?? [];
  if (kind === 'O' || kind === 'O8' || kind === 'O4') return { dtype: 'object', bigEndian: false };
  const name = kind === '?' ? 'b1' : (kind ?? '');
  return Object.hasOwn(KINDS, name) ? { dtype: KINDS[name], bigEndian: order === '>' } : null;
}

/** `numpy.dtype`, whose byte order comes with BUILD. */
class PendingDtype implements Pending {
  readonly dtype: DType | 'object';
  bigEndian: boolean;
  constructor({ dtype, bigEndian }: { dtype: DType | 'object'; bigEndian: boolean }) {
    this.dtype = dtype;
    this.bigEndian = bigEndian;
  }
  get value(): unknown {
    return this;
  }
  build(state: unknown, reject: Reject): void {
    if (!Array.isArray(state) || typeof state[1] !== 'string' || !'<>|='.includes(state[1])) {
      reject('a numpy.dtype has no byte order');
    }
    this.bigEndian = (state as string[])[1] === '>';
  }
}

/** `numpy.ndarray` between its creation and its content. */
class PendingArray implements Pending {
  #value: NdArray | ObjectArray | null = null;
  get value(): unknown {
    return this.#value ?? this;
  }
  build(state: unknown, reject: Reject): void {
    const parts = Array.isArray(state) && state.length === 5 ? state : reject('a numpy array has no content');
    const [, shape, dtype, fortran, content] = parts as unknown[];
    this.#value = makeArray(shape, dtype, content, fortran === true, reject);
  }
}

/** The raw data of an array: bytes, or text where Python 2 wrote it. */
function rawBytes(content: unknown): Uint8Array | null {
  if (content instanceof Uint8Array) return content;
  return typeof content === 'string' ? latin1Bytes(content) : null;
}

const latin1Bytes = (text: string): Uint8Array | null =>
  /^[\0-\xff]*$/.test(text) ? Uint8Array.from(Buffer.from(text, 'latin1')) : null;

function makeArray(
  shape: unknown,
  dtype: unknown,
  content: unknown,
  fortran: boolean,
  reject: Reject,
): NdArray | ObjectArray {
  if (!(dtype instanceof PendingDtype)) return reject('a numpy array has no dtype');
  if (!isShape(shape)) return reject(`a numpy array has the impossible shape ${String(shape)}`);
  const extents = [...shape];
  const count = elementCount(extents);
  if (dtype.dtype === 'object') {
    if (!Array.isArray(content) || content.length !== count) {
      return reject(`a numpy array of ${count} objects holds another number of them`);
    }
    const items = [...content] as unknown[];
    return new ObjectArray(extents, fortran ? toRowMajor(items, extents, new Array<unknown>(count)) : items);
  }
  const bytes = rawBytes(content);
  const needed = count * bytesPerElement(dtype.dtype);
  if (bytes?.length !== needed) {
    return reject(`a numpy array ${dtype.dtype} [${extents}] needs ${needed} bytes and has ${bytes?.length ?? 'none'}`);
  }
  const data = decodeElements(dtype.dtype, bytes, dtype.bigEndian);
  const ordered = fortran && extents.length > 1 ? toRowMajor(data, extents, zeros(dtype.dtype, count)) : data;
  return new NdArray(dtype.dtype, extents, ordered);
}

function makeScalar([dtype, content]: readonly unknown[], reject: Reject): unknown {
  if (dtype instanceof PendingDtype && dtype.dtype === 'object') return reject('a numpy scalar holds an object');
  const array = makeArray([], dtype, content, false, reject) as NdArray;
  const { data, dtype: kind } = array;
  if (kind === 'bool') return data[0] !== 0;
  return kind === 'float16' ? array.toFloat32()[0] : data[0];
}

/** Pairs of an OrderedDict or dict that was pickled as a call. */
function makeDict([items]: readonly unknown[], reject: Reject): Map<unknown, unknown> {
  if (items === undefined) return new Map();
  if (items instanceof Map) return new Map(items);
  if (!Array.isArray(items) || !items.every((item) => Array.isArray(item) && item.length === 2)) {
    return reject('a dict is made of something else than pairs');
  }
  return new Map(items as [unknown, unknown][]);
}

function makeList([items]: readonly unknown[], reject: Reject): unknown[] {
  if (items === undefined) return [];
  return Array.isArray(items) ? [...items] : reject('a list is made of something else than a list');
}

/** `bytes` and `bytearray`; a number would ask for that many zeros. */
function makeBytes([content, encoding]: readonly unknown[], reject: Reject): Uint8Array {
  if (content === undefined) return new Uint8Array();
  if (content instanceof Uint8Array) return content;
  if (Array.isArray(content) && content.every((n) => Number.isInteger(n) && n >= 0 && n < 256)) {
    return Uint8Array.from(content as number[]);
  }
  return typeof content === 'string' ? encode([content, encoding], reject) : reject('bytes are made of something else');
}

/** `_codecs.encode(text, 'latin1')`: how protocols below 3 carry bytes. */
function encode([text, encoding]: readonly unknown[], reject: Reject): Uint8Array {
  if (typeof text !== 'string' || !(encoding === 'latin1' || encoding === 'latin-1')) {
    return reject(`text is encoded as ${String(encoding)}; only latin1 is known`);
  }
  return latin1Bytes(text) ?? reject('text that is not latin1 is encoded as latin1');
}

const plain = (type: string): Callable => new Callable(type, (args) => new PickleObject(type, args));

/** `copyreg._reconstructor(class, object, None)`: objects in protocols 0 and 1. */
function reconstruct([type, base, state]: readonly unknown[], reject: Reject): unknown {
  if (!(type instanceof Callable) || (base as Callable)?.name !== 'builtins.object' || state !== null) {
    return reject('copyreg._reconstructor is given something else than a class of this list');
  }
  return type.call([], reject);
}

function table(): Map<string, unknown> {
  const globals = new Map<string, unknown>();
  const add = (modules: readonly string[], name: string, call: Callable['call']): void => {
    for (const module of modules) globals.set(`${module}.${name}`, new Callable(`${modules[0]}.${name}`, call));
  };
  const builtins = ['builtins', '__builtin__'];
  add(builtins, 'set', (args, reject) => new Set(makeList(args, reject)));
  add(builtins, 'frozenset', (args, reject) => new Set(makeList(args, reject)));
  add(builtins, 'list', makeList);
  add(builtins, 'tuple', (args, reject) => Tuple.from(makeList(args, reject)));
  add(builtins, 'dict', makeDict);
  add(builtins, 'bytes', makeBytes);
  add(builtins, 'bytearray', makeBytes);
  add(builtins, 'object', () => new PickleObject('builtins.object', []));
  add(builtins, 'slice', (args) => new PickleObject('builtins.slice', args));
  add(builtins, 'complex', (args) => new PickleObject('builtins.complex', args));
  add(['collections'], 'OrderedDict', makeDict);
  add(['_codecs'], 'encode', encode);
  add(['copyreg', 'copy_reg'], '_reconstructor', reconstruct);
  globals.set('argparse.Namespace', plain('argparse.Namespace'));

  const multiarray = ['numpy.core.multiarray', 'numpy._core.multiarray'];
  add(multiarray, '_reconstruct', () => new PendingArray());
  add(multiarray, 'scalar', makeScalar);
  add(['numpy.core.numeric', 'numpy._core.numeric'], '_frombuffer', ([content, dtype, shape, order], reject) =>
    makeArray(shape, dtype, content, order === 'F', reject),
  );
  add(['numpy'], 'ndarray', (_, reject) => reject('numpy.ndarray is called'));
  add(['numpy'], 'dtype', ([code], reject) => {
    const parsed = typeof code === 'string' ? parseDtype(code) : null;
    return parsed ? new PendingDtype(parsed) : reject(`it holds a numpy array of dtype ${String(code)}`);
  });
  return globals;
}

/** Python's containers, NumPy's arrays and argparse.Namespace. */
export const GLOBALS: Globals = table();
