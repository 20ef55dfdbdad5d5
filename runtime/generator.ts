/**
 * Counter-based random numbers: Philox 4×32-10 (Salmon et al., SC 2011). The n-th number depends on (seed, stream, n)
 * alone, so the state is one counter, and a kernel that is given seed and counter draws the same numbers (philox.wgsl.ts
 * in the kernels package).
 */
export interface GeneratorState {
  /** The key of all its numbers, u32. */
  readonly seed: number;
  /** The next Philox block. */
  readonly counter: number;
}

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

/** High 32 bits of a·b, in integer operations that cannot overflow. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) >>> 0;
  const carry = (Math.imul(aLow, bHigh) + (middle & 0xffff)) >>> 16;
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + carry) | 0;
}

/** The last block computed: an array for each would cost more than its numbers. */
const block = new Int32Array(4);

function computeBlock(seed: number, counter: number, stream: number): void {
  let c0 = counter | 0;
  let c1 = Math.floor(counter / 2 ** 32) | 0;
  let c2 = stream | 0;
  let c3 = 0;
  let k0 = seed | 0;
  let k1 = 0;
  for (let round = 0; round < 10; round++) {
    const h0 = multiplyHigh(MULTIPLIER_0, c0);
    const h1 = multiplyHigh(MULTIPLIER_1, c2);
    const l0 = Math.imul(MULTIPLIER_0, c0);
    const l1 = Math.imul(MULTIPLIER_1, c2);
    c0 = h1 ^ c1 ^ k0;
    c1 = l1;
    c2 = h0 ^ c3 ^ k1;
    c3 = l0;
    k0 = (k0 + WEYL_0) | 0;
    k1 = (k1 + WEYL_1) | 0;
  }
  block[0] = c0;
  block[1] = c1;
  block[2] = c2;
  block[3] = c3;
}

/** One Philox block: four u32 for (counter, stream) under the key (seed, 0). */
export function philox(seed: number, counter: number, stream = 0): [number, number, number, number] {
  computeBlock(seed, counter, stream);
  return [block[0] >>> 0, block[1] >>> 0, block[2] >>> 0, block[3] >>> 0];
}

/**
 * A seeded stream of numbers whose whole state is `{ seed, counter }`.
 *
 * @example
 * ```ts
 * import { Generator } from '@cim/runtime';
 *
 * const first = new Generator(7);
 * const { state } = first;
 * const numbers = [first.integer(100), first.integer(100)];
 * const again = new Generator(state.seed, state.counter);
 * console.log(numbers.every((n) => n === again.integer(100))); // → true
 * ```
 */
export class Generator {
  /** The key of all its numbers, u32. */
  readonly seed: number;
  #counter: number;

  /** Continues a stream at `counter`, from its beginning unless given. */
  constructor(seed: number, counter = 0) {
    this.seed = seed;
    this.#counter = counter;
  }

  /** Where the stream stands, to be saved; setting it takes over the counter, not the seed. */
  get state(): GeneratorState {
    return { seed: this.seed, counter: this.#counter };
  }
  set state(state: GeneratorState) {
    this.#counter = state.counter;
  }

  /** Reserves `blocks` Philox counters for a kernel and returns the first. */
  reserve(blocks: number): number {
    const first = this.#counter;
    this.#counter += blocks;
    return first;
  }

  /** Uniform in [0, 1), 24 bits. */
  uniform(): number {
    computeBlock(this.seed, this.#counter++, 0);
    return (block[0] >>> 8) / 2 ** 24;
  }

  /** Uniform integer in [0, n). */
  integer(n: number): number {
    return Math.floor(this.uniform() * n);
  }

  /** Normal with mean 0 and deviation 1 (Box–Muller). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  /** 0 … n−1 in random order (Fisher–Yates). */
  permutation(n: number): Uint32Array {
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }
}
