/**
 * Counter-based random numbers: Philox 4×32-10 (Salmon et al., SC 2011). The n-th number depends on (seed, stream, n)
 * alone, so the state is one counter, and a kernel that is given seed and counter draws the same numbers (philox.wgsl.ts
 * in the kernels package).
 */
export interface GeneratorState {
  readonly seed: number;
  readonly counter: number;
}

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

/** High 32 bits of a·b. */
function multiplyHigh(a: number, b: number): number {
  const [aLow, aHigh, bLow, bHigh] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16];
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  return (
    (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(((middle & 0xffff) + aLow * bHigh) / 0x10000)) >>> 0
  );
}

/** One Philox block: four u32 for (counter, stream) under the key (seed, 0). */
export function philox(seed: number, counter: number, stream = 0): [number, number, number, number] {
  let [c0, c1, c2, c3] = [counter >>> 0, Math.floor(counter / 2 ** 32) >>> 0, stream >>> 0, 0];
  let [k0, k1] = [seed >>> 0, 0];
  for (let round = 0; round < 10; round++) {
    const h0 = multiplyHigh(MULTIPLIER_0, c0);
    const h1 = multiplyHigh(MULTIPLIER_1, c2);
    const l0 = Math.imul(MULTIPLIER_0, c0) >>> 0;
    const l1 = Math.imul(MULTIPLIER_1, c2) >>> 0;
    [c0, c1, c2, c3] = [(h1 ^ c1 ^ k0) >>> 0, l1, (h0 ^ c3 ^ k1) >>> 0, l0];
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** A seeded stream of numbers whose whole state is `{ seed, counter }`. */
export class Generator {
  readonly seed: number;
  #counter: number;

  constructor(seed: number, counter = 0) {
    this.seed = seed;
    this.#counter = counter;
  }

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
    return (philox(this.seed, this.#counter++)[0] >>> 8) / 2 ** 24;
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
