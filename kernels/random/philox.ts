/**
 * Counter-based random numbers in WGSL, Philox 4×32-10 (Salmon et al., SC 2011): the numbers depend on (seed,
 * counter, stream) alone, equal to `philox` and `Generator` of the runtime package bit for bit.
 *
 * - `philox(seed, counter, stream) -> vec4u`: one block; counter = (low, high) words
 * - `uniform24(bits) -> f32`: in [0, 1), a multiple of 2^-24
 * - `counterAt(first, offset) -> vec2u`: the counter `offset` blocks on
 */
export const philox = `
/** High 32 bits of a·b. */
fn multiplyHigh(a: u32, b: u32) -> u32 {
  let aLow = a & 0xffffu;
  let aHigh = a >> 16u;
  let bLow = b & 0xffffu;
  let bHigh = b >> 16u;
  let middle = aHigh * bLow + ((aLow * bLow) >> 16u);
  return aHigh * bHigh + (middle >> 16u) + (((middle & 0xffffu) + aLow * bHigh) >> 16u);
}

fn philox(seed: u32, counter: vec2u, stream: u32) -> vec4u {
  var c = vec4u(counter, stream, 0u);
  var key = vec2u(seed, 0u);
  for (var round = 0u; round < 10u; round++) {
    c = vec4u(
      multiplyHigh(0xcd9e8d57u, c.z) ^ c.y ^ key.x,
      0xcd9e8d57u * c.z,
      multiplyHigh(0xd2511f53u, c.x) ^ c.w ^ key.y,
      0xd2511f53u * c.x,
    );
    key += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}

fn uniform24(bits: u32) -> f32 { return f32(bits >> 8u) / 16777216.0; }

fn counterAt(first: vec2u, offset: u32) -> vec2u {
  let low = first.x + offset;
  return vec2u(low, first.y + select(0u, 1u, low < first.x));
}`;
