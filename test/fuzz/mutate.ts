/** Damaged copies of files, the same ones for the same seed, and what readers make of them. */
import { ReportedError } from '@cim/runtime';

/** Uniform numbers in [0, 1). */
export type Random = () => number;

export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let x = state;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
  };
}

type Mutation = (bytes: Uint8Array, random: Random) => Uint8Array;

const below = (random: Random, n: number): number => Math.floor(random() * n);
const concat = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

/** A piece of a file, rarely a large one. */
function range(bytes: Uint8Array, random: Random): [begin: number, end: number] {
  const begin = below(random, bytes.length);
  const length = 1 + below(random, Math.min(bytes.length - begin, 2 ** below(random, 14)));
  return [begin, begin + length];
}

/** Sizes that programs trip over. */
const EXTREMES = [
  0n,
  1n,
  0x7fn,
  0xffn,
  0x7fffn,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
];
const NUMBERS = ['0', '-1', '1e309', '4294967296', '99999999999999999999', '0.5', 'NaN', ''];

const MUTATIONS: readonly Mutation[] = [
  function flipBits(bytes, random) {
    const copy = bytes.slice();
    for (let n = 1 + below(random, 8); n > 0; n--) copy[below(random, copy.length)] ^= 1 << below(random, 8);
    return copy;
  },
  function truncate(bytes, random) {
    return bytes.slice(0, below(random, bytes.length));
  },
  function setField(bytes, random) {
    const copy = bytes.slice();
    const width = 2 ** below(random, 4);
    const at = below(random, Math.max(1, copy.length - width));
    const value = BigInt.asUintN(8 * width, EXTREMES[below(random, EXTREMES.length)]);
    const field = Array.from({ length: width }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
    copy.set((random() < 0.5 ? field : field.reverse()).slice(0, copy.length - at), at);
    return copy;
  },
  function setNumber(bytes, random) {
    const text = Buffer.from(bytes).toString('latin1');
    const numbers = [...text.matchAll(/-?\d+(\.\d+)?/g)];
    if (numbers.length === 0) return bytes;
    const { 0: number, index } = numbers[below(random, numbers.length)];
    const other = NUMBERS[below(random, NUMBERS.length)];
    return new Uint8Array(Buffer.from(text.slice(0, index) + other + text.slice(index + number.length), 'latin1'));
  },
  function duplicate(bytes, random) {
    const [begin, end] = range(bytes, random);
    const times = 1 + below(random, 3);
    const piece = bytes.subarray(begin, end);
    return concat(bytes.subarray(0, end), ...Array.from({ length: times }, () => piece), bytes.subarray(end));
  },
  function splice(bytes, random) {
    const [begin, end] = range(bytes, random);
    const [to, until] = range(bytes, random);
    return concat(bytes.subarray(0, to), bytes.subarray(begin, end), bytes.subarray(until));
  },
  function remove(bytes, random) {
    const [begin, end] = range(bytes, random);
    return concat(bytes.subarray(0, begin), bytes.subarray(end));
  },
  function scramble(bytes, random) {
    const copy = bytes.slice();
    const [begin, end] = range(bytes, random);
    for (let i = begin; i < Math.min(end, begin + 64); i++) copy[i] = below(random, 256);
    return copy;
  },
];

/** A copy with one to three kinds of damage. */
export function mutate(bytes: Uint8Array, random: Random): Uint8Array {
  let damaged = bytes;
  for (let n = 1 + below(random, 3); n > 0 && damaged.length > 0; n--) {
    damaged = MUTATIONS[below(random, MUTATIONS.length)](damaged, random);
  }
  return damaged;
}

/** A damaged file, and how it came to be. */
export type Damaged = readonly [name: string, bytes: Uint8Array];

/** `count` mutants of the files in turn. */
export function* mutants(files: readonly Uint8Array[], count: number): Generator<Damaged> {
  for (let seed = 0; seed < count; seed++) {
    yield [`seed ${seed}`, mutate(files[seed % files.length], seededRandom(seed))];
  }
}

/** The files cut at every byte. */
export function* cuts(files: readonly Uint8Array[]): Generator<Damaged> {
  for (const file of files) {
    for (let size = 0; size < file.length; size++) yield [`cut at ${size}`, file.slice(0, size)];
  }
}

/** Milliseconds for a file of a few KB. */
const SLOW = 1000;

/**
 * Reads damaged files. @returns how many were refused with a typed error; the others still say something.
 * @throws Error naming the file, when one ends in any other exception or takes long.
 */
export async function readDamaged(files: Iterable<Damaged>, read: (bytes: Uint8Array) => unknown): Promise<number> {
  let refused = 0;
  for (const [name, bytes] of files) {
    const first = await attempt(name, bytes, read);
    // Once more: other programs may have had the machine.
    if (first.milliseconds > SLOW) {
      const { milliseconds } = await attempt(name, bytes, read);
      if (milliseconds > SLOW) throw new Error(`${name}: reading it took ${milliseconds.toFixed(0)} ms.`);
    }
    if (first.refused) refused++;
  }
  return refused;
}

async function attempt(name: string, bytes: Uint8Array, read: (bytes: Uint8Array) => unknown) {
  const begin = performance.now();
  let refused = false;
  try {
    await read(bytes);
  } catch (error) {
    if (!(error instanceof ReportedError)) throw new Error(`${name}: ${(error as Error)?.stack ?? error}`);
    refused = true;
  }
  return { refused, milliseconds: performance.now() - begin };
}

/** {@link readDamaged} of `count` mutants of one file. */
export const readMutated = (bytes: Uint8Array, count: number, read: (mutant: Uint8Array) => unknown): Promise<number> =>
  readDamaged(mutants([bytes], count), read);
