/**
 * The nearest half-precision number, ties to even, of |x| < 65504. The original compares half-precision maps with
 * thresholds rounded likewise (0.85 → 0.85009765625), so entries that equal the threshold are neither above nor below
 * it.
 */
export function float16(x: number): number {
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(x))), -14);
  // In the sum one unit in the last place of a double is one of a half: 2^(exponent − 10).
  const shift = 1.5 * 2 ** (exponent + 42);
  return x + shift - shift;
}
