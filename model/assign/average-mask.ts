import { type PackedMasks, wordsPerMask } from '../masks/packed.ts';

/**
 * The pixels that more than `threshold` of the proposals containing `pixel` contain, as packed words; nothing when no
 * proposal contains it.
 *
 * 32 pixels are counted at once: bit b of the 32 counts lies in one word, plane b, and adding a mask ripples its carry
 * through the planes.
 */
export function averageMask(proposals: PackedMasks, pixel: number, threshold: number): Uint32Array {
  const { words, count } = proposals;
  const stride = wordsPerMask(proposals);
  const members: number[] = [];
  for (let n = 0; n < count; n++) {
    if ((words[n * stride + (pixel >>> 5)] >>> (pixel & 31)) & 1) members.push(n * stride);
  }
  const average = new Uint32Array(stride);
  // The least count whose share exceeds the threshold; beyond the number of members, none does.
  let least = 0;
  while (least <= members.length && !(least / members.length > threshold)) least++;
  if (least > members.length) return average;

  const planes = new Uint32Array(32 - Math.clz32(members.length));
  for (let w = 0; w < stride; w++) {
    planes.fill(0);
    for (const first of members) {
      for (let carry = words[first + w], b = 0; carry !== 0; b++) {
        const sum = planes[b];
        planes[b] = sum ^ carry;
        carry &= sum;
      }
    }
    // count ≥ least, compared from the highest bit: `equal` so far, or already `greater`.
    let equal = ~0;
    let greater = 0;
    for (let b = planes.length - 1; b >= 0; b--) {
      if ((least >>> b) & 1) {
        equal &= planes[b];
      } else {
        greater |= equal & planes[b];
        equal &= ~planes[b];
      }
    }
    average[w] = greater | equal;
  }
  return average;
}
