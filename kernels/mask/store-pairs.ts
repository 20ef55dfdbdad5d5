/**
 * WGSL for kernels with the bindings `iou` and `containment` and the uniform `n`: `storePairs(i, j, both, areaI, areaJ)`
 * stores what two masks of which `both` pixels are common overlap, at [i, j] and at [j, i].
 *
 * Quotients of pixel counts below 2²⁷ are exact before they are rounded, to f32 and then to f16: the driver's division,
 * which WGSL lets err, is only where the search begins.
 */
export const storePairs = `
// a/b, a ≤ b < 2²⁷, rounded to a 24 bit significand (f32), then to f16's 11 bits or its subnormals' fewer.
fn halfRatio(a: u32, b: u32) -> f32 {
  // Made from a value known only at run time: a constant NaN is an error in WGSL.
  if (b == 0u) { return bitcast<f32>(0x7fc00000u | a); }
  if (a == 0u) { return 0.0; }
  // Now 1 ≤ (a·2^shift)/b < 2.
  var shift = countLeadingZeros(a) - countLeadingZeros(b);
  if ((a << shift) < b) { shift++; }
  // ⌊a·2^(shift + 23)/b⌋ and what remains, which is a small multiple of b at first: exact modulo 2³².
  let dividend = (a << shift) << 23u;
  var significand = u32(f32(a << shift) / f32(b) * 8388608.0);
  let error = bitcast<i32>(dividend - significand * b);
  significand += bitcast<u32>(i32(floor(f32(error) / f32(b))));
  var remainder = bitcast<i32>(dividend - significand * b);
  if (remainder < 0) {
    significand--;
    remainder += i32(b);
  } else if (remainder >= i32(b)) {
    significand++;
    remainder -= i32(b);
  }
  let doubled = 2u * u32(remainder);
  if (doubled > b || (doubled == b && (significand & 1u) == 1u)) { significand++; }
  // The value is significand · 2^-(shift + 23). f16 keeps 11 bits, and none below 2^-24.
  let dropped = 13u + max(shift, 14u) - 14u;
  let tail = significand & ((1u << dropped) - 1u);
  let half = 1u << (dropped - 1u);
  significand >>= dropped;
  if (tail > half || (tail == half && (significand & 1u) == 1u)) { significand++; }
  return f32(significand) * bitcast<f32>((127u + dropped - 23u - shift) << 23u);
}
fn storePairs(i: u32, j: u32, both: u32, areaI: u32, areaJ: u32) {
  let ratio = halfRatio(both, areaI + areaJ - both);
  iou[i * u.n + j] = ratio;
  iou[j * u.n + i] = ratio;
  containment[i * u.n + j] = halfRatio(both, areaJ);
  containment[j * u.n + i] = halfRatio(both, areaI);
}`;
