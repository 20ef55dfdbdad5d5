/** Sets of leaves as rows of u32 words: leaf l is bit l mod 32 of word ⌊l / 32⌋. */
export const wordsFor = (leafCount: number): number => Math.ceil(leafCount / 32);

/** Whether leaf `leaf` is in set `row`; a set has `words` words. */
export const hasLeaf = (sets: Uint32Array, words: number, row: number, leaf: number): boolean =>
  ((sets[row * words + (leaf >>> 5)] >>> (leaf & 31)) & 1) === 1;

/** to[row] = p[i] ∪ q[j]. */
export function unite(
  to: Uint32Array,
  row: number,
  p: Uint32Array,
  i: number,
  q: Uint32Array,
  j: number,
  words: number,
): void {
  for (let w = 0; w < words; w++) to[row * words + w] = p[i * words + w] | q[j * words + w];
}

/** Whether sets i and j have no leaf in common. */
export function disjoint(sets: Uint32Array, words: number, i: number, j: number): boolean {
  for (let w = 0; w < words; w++) if ((sets[i * words + w] & sets[j * words + w]) !== 0) return false;
  return true;
}

/** Areas of intersections of leaf sets, a byte of the set at a time from a table of all 256 subsets' areas. */
export class LeafAreas {
  readonly #words: number;
  readonly #table: Float64Array;

  /** Takes the pixels of each leaf. */
  constructor(area: Float64Array) {
    this.#words = wordsFor(area.length);
    this.#table = new Float64Array(this.#words * 4 * 256);
    for (let byte = 0; byte < 4 * this.#words; byte++) {
      for (let subset = 1; subset < 256; subset++) {
        const lowest = 31 - Math.clz32(subset & -subset);
        this.#table[byte * 256 + subset] =
          this.#table[byte * 256 + (subset & (subset - 1))] + (area[8 * byte + lowest] ?? 0);
      }
    }
  }

  /** Pixels in both p[i] and q[j]. */
  intersection(p: Uint32Array, i: number, q: Uint32Array, j: number): number {
    const table = this.#table;
    let sum = 0;
    for (let w = 0, o = 0; w < this.#words; w++, o += 1024) {
      const both = p[i * this.#words + w] & q[j * this.#words + w];
      if (both === 0) continue;
      sum +=
        table[o + (both & 255)] +
        table[o + 256 + ((both >>> 8) & 255)] +
        table[o + 512 + ((both >>> 16) & 255)] +
        table[o + 768 + (both >>> 24)];
    }
    return sum;
  }
}
