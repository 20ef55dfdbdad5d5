/** Pickles of protocol 4, in pieces, so that a file may be larger than memory. */
import { DataError } from '../../errors.ts';
import { bytesOf, type DType, NdArray } from '../ndarray.ts';
import { numpyCode } from './globals.ts';
import { Tuple } from './values.ts';

/** What can be written; `Leaf` is what a format adds to Python's and NumPy's own. */
export type Picklable<Leaf = never> =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | NdArray
  | Leaf
  | readonly Picklable<Leaf>[]
  | ReadonlySet<Picklable<Leaf>>
  | ReadonlyMap<Picklable<Leaf>, Picklable<Leaf>>
  | { readonly [key: string]: Picklable<Leaf> };

/** Bytes that are gathered before they are handed on. */
const PIECE_BYTES = 1 << 16;
/** Items between two MARKs, as in Python. */
const BATCH = 1000;

/** The bytes of `pickle.dumps(value, protocol=4)`, but for frames, which readers do not need. */
export function* encodePickle(value: Picklable): Generator<Uint8Array> {
  const writer = new PickleWriter();
  writer.opcode('\x80').byte(4);
  yield* writer.save(value);
  writer.opcode('.');
  yield writer.take();
}

const UTF8 = new TextEncoder();

/** Writes opcodes; names of classes are written once and recalled from the memo. */
export class PickleWriter<Leaf = never> {
  #piece = new Uint8Array(2 * PIECE_BYTES);
  #used = 0;
  readonly #memo = new Map<string, number>();

  *save(value: Picklable<Leaf>): Generator<Uint8Array> {
    if (this.#used > PIECE_BYTES) yield this.take();
    if (value === null) this.opcode('N');
    else if (typeof value === 'boolean') this.opcode(value ? '\x88' : '\x89');
    else if (typeof value === 'bigint' || Number.isSafeInteger(value)) this.#integer(value as number | bigint);
    else if (typeof value === 'number') this.opcode('G').number(8, (v, at) => v.setFloat64(at, value, false));
    else if (typeof value === 'string') yield* this.#text(value);
    else if (value instanceof Uint8Array) yield* this.#bytes(value);
    else if (value instanceof NdArray) yield* this.#array(value);
    else if (value instanceof Tuple) yield* this.#tuple(value as Picklable<Leaf>[]);
    else if (Array.isArray(value)) yield* this.#list(value as Picklable<Leaf>[]);
    else if (value instanceof Set) yield* this.#set(value);
    else yield* this.#dict(value instanceof Map ? value : plainEntries(value as Record<string, Picklable<Leaf>>));
  }

  /** What was written since the last call. */
  take(): Uint8Array {
    const piece = this.#piece.slice(0, this.#used);
    this.#used = 0;
    return piece;
  }

  opcode(code: string): this {
    return this.byte(code.charCodeAt(0));
  }
  byte(value: number): this {
    return this.number(1, (view, at) => view.setUint8(at, value));
  }
  uint32(value: number): this {
    return this.number(4, (view, at) => view.setUint32(at, value, true));
  }
  number(bytes: number, set: (view: DataView, at: number) => void): this {
    if (this.#used + bytes > this.#piece.length) this.#grow(bytes);
    set(new DataView(this.#piece.buffer), this.#used);
    this.#used += bytes;
    return this;
  }

  /** A class or function by its name. */
  global(module: string, name: string): this {
    return this.#once(`${module}.${name}`, () => {
      for (const char of `c${module}\n${name}\n`) this.opcode(char);
    });
  }

  #grow(bytes: number): void {
    const larger = new Uint8Array(2 * (this.#used + bytes));
    larger.set(this.#piece.subarray(0, this.#used));
    this.#piece = larger;
  }

  #once(key: string, write: () => void): this {
    const index = this.#memo.get(key);
    if (index !== undefined) return this.opcode('j').uint32(index);
    write();
    this.#memo.set(key, this.#memo.size);
    return this.opcode('r').uint32(this.#memo.size - 1);
  }

  #integer(value: number | bigint): void {
    if (value >= 0 && value < 256) this.opcode('K').byte(Number(value));
    else if (value >= -(2 ** 31) && value < 2 ** 31) {
      this.opcode('J').number(4, (view, at) => view.setInt32(at, Number(value), true));
    } else {
      let rest = BigInt(value);
      const bytes: number[] = [];
      do {
        bytes.push(Number(BigInt.asUintN(8, rest)));
        rest >>= 8n;
      } while (!((rest === 0n && bytes.at(-1)! < 128) || (rest === -1n && bytes.at(-1)! >= 128)));
      this.opcode('\x8a').byte(bytes.length);
      for (const byte of bytes) this.byte(byte);
    }
  }

  /** A text of ASCII characters. */
  #name(text: string): this {
    this.opcode('X').uint32(text.length);
    for (const char of text) this.opcode(char);
    return this;
  }
  *#text(text: string): Generator<Uint8Array> {
    const bytes = UTF8.encode(text);
    this.opcode('X').uint32(bytes.length);
    yield* this.#raw(bytes);
  }
  *#bytes(bytes: Uint8Array): Generator<Uint8Array> {
    this.opcode('\x8e').number(8, (view, at) => view.setBigUint64(at, BigInt(bytes.length), true));
    yield* this.#raw(bytes);
  }
  *#raw(bytes: Uint8Array): Generator<Uint8Array> {
    yield this.take();
    yield bytes;
  }

  *#tuple(items: readonly Picklable<Leaf>[]): Generator<Uint8Array> {
    this.opcode('(');
    for (const item of items) yield* this.save(item);
    this.opcode('t');
  }
  *#list(items: readonly Picklable<Leaf>[]): Generator<Uint8Array> {
    this.opcode(']');
    yield* this.#batches(items, 'e');
  }
  *#set(items: ReadonlySet<Picklable<Leaf>>): Generator<Uint8Array> {
    this.opcode('\x8f');
    yield* this.#batches(items, '\x90');
  }
  *#dict(entries: Iterable<readonly [Picklable<Leaf>, Picklable<Leaf>]>): Generator<Uint8Array> {
    this.opcode('}');
    yield* this.#batches(flatten(entries), 'u');
  }
  /** Items in groups, each between a MARK and the opcode that adds them to the container below. */
  *#batches(items: Iterable<Picklable<Leaf>>, opcode: string): Generator<Uint8Array> {
    let count = 0;
    for (const item of items) {
      if (count % BATCH === 0) {
        if (count > 0) this.opcode(opcode);
        this.opcode('(');
      }
      yield* this.save(item);
      count++;
    }
    if (count > 0) this.opcode(opcode);
  }

  /** `_reconstruct(ndarray, (0,), b'b')`, then its state (1, shape, dtype, False, data). */
  *#array(array: NdArray): Generator<Uint8Array> {
    this.global('numpy.core.multiarray', '_reconstruct').global('numpy', 'ndarray');
    this.opcode('K').byte(0).opcode('\x85').opcode('C').byte(1).opcode('b').opcode('\x87').opcode('R');
    this.opcode('(').opcode('K').byte(1);
    yield* this.#tuple([...array.shape]);
    this.#dtype(array.dtype).opcode('\x89');
    yield* this.#bytes(bytesOf(array.data));
    this.opcode('t').opcode('b');
  }

  /** `dtype('f4', False, True)`, then its state (3, '<', None, None, None, -1, -1, 0). */
  #dtype(dtype: DType): this {
    const code = numpyCode(dtype);
    return this.#once(`dtype ${code}`, () => {
      this.global('numpy', 'dtype').#name(code).opcode('\x89').opcode('\x88').opcode('\x87').opcode('R');
      this.opcode('(').opcode('K').byte(3);
      this.#name(code.endsWith('1') ? '|' : '<')
        .opcode('N')
        .opcode('N')
        .opcode('N');
      for (const _ of [0, 1]) this.opcode('J').uint32(0xffffffff);
      this.opcode('K').byte(0).opcode('t').opcode('b');
    });
  }
}

/** What would be written of an object of a class is not the object. */
function plainEntries<T>(value: Record<string, T>): [string, T][] {
  const type = Object.getPrototypeOf(value)?.constructor?.name ?? 'Object';
  if (type === 'Object') return Object.entries(value);
  throw new DataError(
    `A value of type ${type} cannot be written as a pickle.`,
    'Convert to .json to look at it, or leave it out.',
  );
}

function* flatten<T>(entries: Iterable<readonly [T, T]>): Generator<T> {
  for (const [key, value] of entries) {
    yield key;
    yield value;
  }
}
