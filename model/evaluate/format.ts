/**
 * A decimal number as Python's `{:.nf}` writes it: correctly rounded from the exact binary value, exact halves to the
 * even digit (0.0625 → 0.062), where `toFixed` takes the larger one.
 */
export function formatFixed(value: number, digits: number): string {
  // toFixed is exact, so a true half shows as a 5 and nothing but zeros.
  const exact = value.toFixed(digits + 50);
  const truncated = exact.slice(0, -50).replace(/\.$/, '');
  const isEven = '02468'.includes(truncated.slice(-1));
  return isEven && exact.endsWith(`5${'0'.repeat(49)}`) ? truncated : value.toFixed(digits);
}
