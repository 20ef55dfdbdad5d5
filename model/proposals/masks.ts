/** The pixels of proposals: masks, packed masks, boxes and areas. */
import { hasLeaf, wordsFor } from './bitset.ts';
import { labelBoxes } from './leaves.ts';
import type { Proposals } from './proposals.ts';

/** 1 for the leaves of proposal n [leafCount]. */
function leavesOf({ leafCount, members }: Proposals, n: number): Uint8Array {
  const words = wordsFor(leafCount);
  // Loops: Uint8Array.from goes through an iterator, which is several times slower.
  const inside = new Uint8Array(leafCount);
  for (let leaf = 0; leaf < leafCount; leaf++) inside[leaf] = hasLeaf(members, words, n, leaf) ? 1 : 0;
  return inside;
}

/** 1 where proposal n is [height · width]. */
export function proposalMask(proposals: Proposals, n: number): Uint8Array {
  const { labels } = proposals;
  const inside = leavesOf(proposals, n);
  const mask = new Uint8Array(labels.length);
  for (let i = 0; i < labels.length; i++) mask[i] = inside[labels[i]];
  return mask;
}

/** Masks of all proposals, a bit a pixel [count, ⌈height · width / 32⌉]: bit i of word w is pixel 32·w + i, row-major. */
export function packProposals(proposals: Proposals): Uint32Array {
  const { count, labels } = proposals;
  const pixelWords = Math.ceil(labels.length / 32);
  const { leaves, lengths } = leafRuns(labels);
  const packed = new Uint32Array(count * pixelWords);
  for (let n = 0; n < count; n++) {
    const inside = leavesOf(proposals, n);
    for (let run = 0, begin = 0; run < leaves.length; begin += lengths[run++]) {
      if (inside[leaves[run]] === 1) setBits(packed, n * pixelWords, begin, begin + lengths[run]);
    }
  }
  return packed;
}

/** Runs of pixels of one leaf in reading order, on across the ends of rows: the leaf, and the number of pixels, of each. */
export function leafRuns(labels: Uint16Array) {
  const leaves: number[] = [];
  const lengths: number[] = [];
  for (let begin = 0, end = 0; begin < labels.length; begin = end) {
    while (end < labels.length && labels[end] === labels[begin]) end++;
    leaves.push(labels[begin]);
    lengths.push(end - begin);
  }
  return { leaves: Uint16Array.from(leaves), lengths: Uint32Array.from(lengths) };
}

/** Sets bits begin … end − 1, counted from word `base`. */
function setBits(packed: Uint32Array, base: number, begin: number, end: number): void {
  const [first, last] = [begin >>> 5, (end - 1) >>> 5];
  const head = -1 << (begin & 31);
  const tail = -1 >>> (31 - ((end - 1) & 31));
  if (first === last) {
    packed[base + first] |= head & tail;
    return;
  }
  packed[base + first] |= head;
  for (let word = first + 1; word < last; word++) packed[base + word] = 0xffffffff;
  packed[base + last] |= tail;
}

/** Tight boxes [count, 4] in pixels: x1, y1, and exclusive x2, y2. */
export function proposalBoxes({ width, height, count, labels, leafCount, members }: Proposals): Float32Array {
  const leafBoxes = labelBoxes({ labels, leafCount }, { width, height });
  const boxes = new Float32Array(4 * count);
  const words = wordsFor(leafCount);
  for (let n = 0; n < count; n++) {
    let [x1, y1, x2, y2] = [width, height, 0, 0];
    for (let leaf = 0, o = 0; leaf < leafCount; leaf++, o += 4) {
      if (!hasLeaf(members, words, n, leaf)) continue;
      x1 = Math.min(x1, leafBoxes[o]);
      y1 = Math.min(y1, leafBoxes[o + 1]);
      x2 = Math.max(x2, leafBoxes[o + 2]);
      y2 = Math.max(y2, leafBoxes[o + 3]);
    }
    boxes.set([x1, y1, x2, y2], 4 * n);
  }
  return boxes;
}

/** Pixels of every proposal [count]. */
export function proposalAreas({ count, labels, leafCount, members }: Proposals): Uint32Array {
  const leafAreas = new Uint32Array(leafCount);
  for (const leaf of labels) leafAreas[leaf]++;
  const words = wordsFor(leafCount);
  return Uint32Array.from({ length: count }, (_, n) =>
    leafAreas.reduce((sum, area, leaf) => sum + (hasLeaf(members, words, n, leaf) ? area : 0), 0),
  );
}
