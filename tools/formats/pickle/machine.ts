/**
 * The virtual machine of Python's pickle, protocols 0 to 5 (Lib/pickletools.py lists its opcodes).
 *
 * The npm parsers call what a file names with `new`, assign attributes by name and read past missing memo entries; here
 * only the names of a fixed list exist, every length is checked against the bytes that are there, and the result is
 * checked for its size and depth before anyone walks it.
 */
import type { Fail } from '../bytes.ts';
import { Callable, type Globals, isPending, type Reject } from './globals.ts';
import { PickleObject, Tuple } from './values.ts';

/** Digits of the longest integer: Python files hold sizes, ids and counts. */
const MAX_INTEGER_BYTES = 128;
const MAX_STRING_BYTES = 2 ** 28;

const MARK = Symbol('mark');

export interface PickleOptions {
  readonly globals: Globals;
  /** Resolves persistent ids, which torch uses for storages. */
  readonly persistent?: (id: unknown, reject: Reject) => unknown;
}

/** Runs one pickle that starts at `start`. @returns the value and the position after it. */
export function runPickle(bytes: Uint8Array, start: number, options: PickleOptions, fail: Fail) {
  const machine = new Machine(bytes, start, options, fail);
  const value = machine.run();
  return { value, end: machine.position };
}

class Machine {
  position: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #options: PickleOptions;
  readonly #fail: Fail;
  readonly #reject: Reject;
  readonly #stack: unknown[] = [];
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, unknown>();

  constructor(bytes: Uint8Array, start: number, options: PickleOptions, fail: Fail) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.position = start;
    this.#options = options;
    this.#fail = fail;
    this.#reject = (problem) => fail(`${problem} (before byte ${this.position})`);
  }

  run(): unknown {
    for (;;) {
      const opcode = this.#byte();
      if (opcode === STOP) return this.#pop();
      const step = STEPS[opcode];
      if (step === undefined) {
        this.#reject(`it is not a pickle: there is no opcode 0x${opcode.toString(16).padStart(2, '0')}`);
      }
      step(this);
    }
  }

  // What the opcodes are made of.

  static readonly steps: Readonly<Record<string, (m: Machine) => void>> = {
    // Protocol and frames: the lengths of frames only help streams.
    '\x80': (m) => {
      const protocol = m.#byte();
      if (protocol > 5) m.#reject(`it is a pickle of protocol ${protocol}; up to 5 is known`);
    },
    '\x95': (m) => m.#skip(8),
    // The stack.
    '(': (m) => {
      m.#marks.push(m.#stack.length);
      m.#stack.push(MARK);
    },
    '0': (m) => {
      if (m.#stack.at(-1) === MARK) m.#toMark();
      else m.#pop();
    },
    '1': (m) => void m.#toMark(),
    '2': (m) => m.#push(m.#top()),
    // The memo.
    p: (m) => m.#remember(m.#decimal()),
    q: (m) => m.#remember(m.#byte()),
    r: (m) => m.#remember(m.#uint32()),
    '\x94': (m) => m.#remember(m.#memo.size),
    g: (m) => m.#recall(m.#decimal()),
    h: (m) => m.#recall(m.#byte()),
    j: (m) => m.#recall(m.#uint32()),
    // Constants and numbers.
    N: (m) => m.#push(null),
    '\x88': (m) => m.#push(true),
    '\x89': (m) => m.#push(false),
    I: (m) => m.#push(m.#integerLine()),
    L: (m) => m.#push(m.#integer(m.#line().replace(/L$/, ''))),
    K: (m) => m.#push(m.#byte()),
    M: (m) => m.#push(m.#uint16()),
    J: (m) => m.#push(m.#uint32() | 0),
    '\x8a': (m) => m.#push(m.#long(m.#byte())),
    '\x8b': (m) => m.#push(m.#long(m.#uint32())),
    F: (m) => m.#push(m.#floatLine()),
    G: (m) => m.#push(m.#view.getFloat64(m.#skip(8), false)),
    // Text and bytes.
    S: (m) => m.#push(m.#quoted()),
    T: (m) => m.#push(m.#latin1(m.#uint32())),
    U: (m) => m.#push(m.#latin1(m.#byte())),
    V: (m) => m.#push(m.#rawUnicode()),
    X: (m) => m.#push(m.#text(m.#uint32())),
    '\x8c': (m) => m.#push(m.#text(m.#byte())),
    '\x8d': (m) => m.#push(m.#text(m.#uint64())),
    B: (m) => m.#push(m.#slice(m.#uint32())),
    C: (m) => m.#push(m.#slice(m.#byte())),
    '\x8e': (m) => m.#push(m.#slice(m.#uint64())),
    '\x96': (m) => m.#push(m.#slice(m.#uint64())),
    // Containers.
    ')': (m) => m.#push(new Tuple()),
    '\x85': (m) => m.#push(Tuple.of(m.#pop())),
    '\x86': (m) => m.#push(Tuple.from(m.#popMany(2))),
    '\x87': (m) => m.#push(Tuple.from(m.#popMany(3))),
    t: (m) => m.#push(Tuple.from(m.#toMark())),
    ']': (m) => m.#push([]),
    l: (m) => m.#push(m.#toMark()),
    '}': (m) => m.#push(new Map()),
    d: (m) => m.#setItems(m.#toMark(), m.#push(new Map())),
    '\x8f': (m) => m.#push(new Set()),
    '\x91': (m) => m.#push(new Set(m.#toMark())),
    a: (m) => {
      const item = m.#pop();
      m.#list().push(item);
    },
    e: (m) => {
      const items = m.#toMark();
      const list = m.#list();
      for (const item of items) list.push(item);
    },
    s: (m) => {
      const pair = m.#popMany(2);
      m.#setItems(pair, m.#top());
    },
    u: (m) => {
      const items = m.#toMark();
      m.#setItems(items, m.#top());
    },
    '\x90': (m) => {
      const items = m.#toMark();
      const set = m.#top();
      if (set instanceof Set) for (const item of items) set.add(item);
      else m.#reject('items are added to something that is not a set');
    },
    // Names and objects.
    c: (m) => {
      const module = m.#line();
      m.#push(m.#global(module, m.#line()));
    },
    '\x93': (m) => {
      const [module, name] = m.#popMany(2);
      m.#push(m.#global(module, name));
    },
    R: (m) => {
      const [callable, args] = m.#popMany(2);
      m.#push(m.#call(callable, args));
    },
    '\x81': (m) => {
      const [type, args] = m.#popMany(2);
      m.#push(m.#call(type, args));
    },
    '\x92': (m) => {
      const [type, args, named] = m.#popMany(3);
      if (!(named instanceof Map) || named.size > 0) m.#reject('a class is given named arguments');
      m.#push(m.#call(type, args));
    },
    i: (m) => {
      const module = m.#line();
      const type = m.#global(module, m.#line());
      m.#push(m.#call(type, Tuple.from(m.#toMark())));
    },
    o: (m) => {
      const [type, ...args] = m.#toMark();
      m.#push(m.#call(type, Tuple.from(args)));
    },
    b: (m) => m.#build(),
    P: (m) => m.#push(m.#persistent(m.#line())),
    Q: (m) => m.#push(m.#persistent(m.#pop())),
  };

  #skip(length: number): number {
    const at = this.position;
    if (length > this.#bytes.length - at) this.#fail(`the pickle is truncated at byte ${this.#bytes.length}`);
    this.position = at + length;
    return at;
  }
  #byte(): number {
    return this.#bytes[this.#skip(1)];
  }
  #uint16(): number {
    return this.#view.getUint16(this.#skip(2), true);
  }
  #uint32(): number {
    return this.#view.getUint32(this.#skip(4), true);
  }
  /** A length; above 2^53 it is longer than any file, whatever it rounds to. */
  #uint64(): number {
    return Number(this.#view.getBigUint64(this.#skip(8), true));
  }
  #slice(length: number): Uint8Array {
    const at = this.#skip(length);
    return this.#bytes.subarray(at, at + length);
  }
  /** A line of ASCII, or of Latin-1 where texts are escaped. */
  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.position);
    if (end < 0) this.#fail(`the pickle is truncated at byte ${this.#bytes.length}`);
    const line = this.#latin1(end - this.position);
    this.position = end + 1;
    return line;
  }
  #text(length: number): string {
    const bytes = this.#slice(length);
    if (length > MAX_STRING_BYTES) this.#reject(`it holds a text of ${length} bytes`);
    try {
      return UTF8.decode(bytes);
    } catch {
      return this.#reject('it holds a text that is not UTF-8');
    }
  }
  #latin1(length: number): string {
    if (length > MAX_STRING_BYTES) this.#reject(`it holds a text of ${length} bytes`);
    const { buffer, byteOffset } = this.#slice(length);
    return Buffer.from(buffer, byteOffset, length).toString('latin1');
  }
  #quoted(): string {
    const line = this.#line();
    const [, , body] = /^(['"])(.*)\1$/s.exec(line) ?? this.#reject('it holds a text without quotes');
    return body.replace(/\\(x[0-9a-fA-F]{2}|.)/gs, (_, code: string) =>
      code.length > 1 ? String.fromCharCode(Number.parseInt(code.slice(1), 16)) : (ESCAPES[code] ?? code),
    );
  }
  #rawUnicode(): string {
    return this.#line().replace(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (_, short?: string, long?: string) => {
      const code = Number.parseInt(short ?? long!, 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : this.#reject('it holds a character beyond Unicode');
    });
  }
  #decimal(): number {
    const line = this.#line();
    return /^\d{1,15}$/.test(line) ? Number(line) : this.#reject(`"${line.slice(0, 40)}" is not a memo index`);
  }
  #integerLine(): number | bigint | boolean {
    const line = this.#line();
    return line === '01' ? true : line === '00' ? false : this.#integer(line);
  }
  #integer(text: string): number | bigint {
    if (!/^\s*-?\d+\s*$/.test(text) || text.length > 2.5 * MAX_INTEGER_BYTES) {
      this.#reject(`"${text.slice(0, 40)}" is not an integer it can hold`);
    }
    return asNumber(BigInt(text));
  }
  #long(length: number): number | bigint {
    const bytes = this.#slice(length);
    if (length > MAX_INTEGER_BYTES) this.#reject(`it holds an integer of ${length} bytes`);
    if (length === 0) return 0;
    const hex = Buffer.from(bytes).reverse().toString('hex');
    return asNumber(BigInt.asIntN(8 * length, BigInt(`0x${hex}`)));
  }
  #floatLine(): number {
    const line = this.#line().trim().toLowerCase();
    if (/^-?inf(inity)?$/.test(line)) return line.startsWith('-') ? -Infinity : Infinity;
    if (line === 'nan' || line === '-nan') return Number.NaN;
    const value = Number(line);
    return line === '' || Number.isNaN(value) ? this.#reject(`"${line.slice(0, 40)}" is not a number`) : value;
  }

  #push<T>(value: T): T {
    this.#stack.push(value);
    return value;
  }
  #top(): unknown {
    const { length } = this.#stack;
    if (length === 0 || this.#stack[length - 1] === MARK) this.#reject('it takes from an empty stack');
    return settled(this.#stack[length - 1]);
  }
  #pop(): unknown {
    const value = this.#top();
    this.#stack.pop();
    return value;
  }
  #popMany(count: number): unknown[] {
    const values = Array.from({ length: count }, () => this.#pop());
    return values.reverse();
  }
  /** Everything above the last mark. */
  #toMark(): unknown[] {
    const mark = this.#marks.pop();
    if (mark === undefined) return this.#reject('it goes back to a mark that is not there');
    const values = this.#stack.splice(mark + 1).map(settled);
    this.#stack.pop();
    return values;
  }
  #remember(index: number): void {
    this.#top();
    this.#memo.set(index, this.#stack.at(-1));
  }
  #recall(index: number): void {
    if (!this.#memo.has(index)) this.#reject(`it recalls number ${index}, which it never stored`);
    this.#push(this.#memo.get(index));
  }
  #list(): unknown[] {
    const list = this.#top();
    if (!Array.isArray(list) || list instanceof Tuple)
      this.#reject('items are appended to something that is not a list');
    return list as unknown[];
  }
  #setItems(items: unknown[], target: unknown): void {
    const dict = target instanceof Map ? target : this.#reject('items are set in something that is not a dict');
    if (items.length % 2 === 1) this.#reject('a dict has a key without a value');
    for (let i = 0; i < items.length; i += 2) dict.set(items[i], items[i + 1]);
  }

  #global(module: unknown, name: unknown): unknown {
    const full = `${String(module)}.${String(name)}`;
    if (!this.#options.globals.has(full)) {
      this.#fail(`it asks for ${JSON.stringify(full.slice(0, 120))}, which is not on the list of harmless names`);
    }
    return this.#options.globals.get(full);
  }
  #call(callable: unknown, args: unknown): unknown {
    if (!(callable instanceof Callable)) return this.#reject('it calls something that is not a function');
    if (!(args instanceof Tuple)) return this.#reject(`${callable.name} is called without a tuple of arguments`);
    return callable.call(args, this.#reject);
  }
  #build(): void {
    const state = this.#pop();
    // The unsettled object itself: a finished array cannot be built again.
    const target = this.#stack.at(-1);
    if (isPending(target)) target.build(state, this.#reject);
    else if (target instanceof PickleObject) this.#setState(target.state, state);
    // A state dict's `_metadata` and the like: attributes of a dict are not its content.
    else if (!(target instanceof Map && state instanceof Map)) this.#reject('state is given to something without any');
  }
  #setState(attributes: Map<unknown, unknown>, state: unknown): void {
    const given = state instanceof Map ? state : this.#reject('the state of an object is not a dict');
    for (const [key, value] of given) attributes.set(key, value);
  }
  #persistent(id: unknown): unknown {
    const { persistent } = this.#options;
    return persistent ? persistent(id, this.#reject) : this.#reject('it refers to data outside of the file');
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const STOP = '.'.charCodeAt(0);
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '0': '\0' };
/** The steps by opcode. */
const STEPS: readonly ((m: Machine) => void)[] = Object.entries(Machine.steps).reduce<((m: Machine) => void)[]>(
  (steps, [opcode, step]) => Object.assign(steps, { [opcode.charCodeAt(0)]: step }),
  [],
);

const settled = (value: unknown): unknown => (isPending(value) ? value.value : value);
const asNumber = (value: bigint): number | bigint =>
  value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
