/** WGSL that counts the 1 bits of several words with few instructions. */

export interface BitCount {
  /** Declarations that {@link sum} needs. */
  readonly code: string;
  /** An expression: the 1 bits of all words. */
  readonly sum: string;
}

/**
 * The 1 bits of all words together: full adders turn three words of one weight into a sum of it and a carry of twice the
 * weight, bit by bit, until one word is left of each weight (Harley–Seal; Muła, Kurz and Lemire, Faster Population Counts
 * Using AVX2 Instructions, 2018). 16 words take 5 counts instead of 16. Names that are declared begin with `prefix`.
 */
export function countBits(words: readonly string[], prefix: string): BitCount {
  const code: string[] = [];
  const counts: string[] = [];
  let adders = 0;
  let level = words;
  for (let exponent = 0; level.length > 0; exponent++) {
    const pending = [...level];
    const carries: string[] = [];
    while (pending.length > 1) {
      const name = `${prefix}${adders++}`;
      const [a, b] = pending.splice(0, 2);
      const c = pending.shift();
      code.push(`let ${name}h = ${a} ^ ${b};`);
      code.push(`let ${name}c = (${a} & ${b})${c === undefined ? '' : ` | (${name}h & ${c})`};`);
      if (c !== undefined) code.push(`let ${name}s = ${name}h ^ ${c};`);
      pending.push(c === undefined ? `${name}h` : `${name}s`);
      carries.push(`${name}c`);
    }
    counts.push(`(countOneBits(${pending[0]}) << ${exponent}u)`);
    level = carries;
  }
  return { code: code.join(' '), sum: counts.join(' + ') };
}
