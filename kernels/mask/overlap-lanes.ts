/**
 * The overlap maps of `pairwiseOverlap` for software GPUs, where loads dominate.
 *
 * Proposals are local, so most words are 0. The words of a mask are dealt into blocks of 16 rows of the image by 32 pixels:
 * word k belongs to the row y that its first pixel lies in, and is the s-th word of that row. Only pairs of masks that
 * touch the same block are looked at, block by block. In five dispatches:
 *
 * 1. `describeMasks`   per mask: which blocks it touches, and a key by where it lies
 * 2. `orderMasks`      sorts the masks along a Z-order curve, so that those of a block lie near each other in `counts`
 * 3. `listBlocks`      per block: which masks touch it, as places in that order
 * 4. `countBlocks`     a subgroup takes a block: four masks a lane as columns, and every mask as a row. Lanes fetch a row's 16
 *                      words together and broadcast them; 16 words of a pair take 5 bit counts (`countBits`) and one
 *                      atomic addition of integers, whose order does not matter
 * 5. `overlapRatios`   turns the counts into the maps
 */
import { defineKernel, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '../kernel.ts';
import { countBits } from './carry-save.ts';
import { storePairs } from './store-pairs.ts';

/** N masks of one image, pixels. */
export interface OverlapShape {
  /** Masks. */
  readonly n: number;
  /** Columns of a mask. */
  readonly width: number;
  /** Rows of a mask. */
  readonly height: number;
}

/** Rows of the image in a block, and words of a mask in it. */
const BLOCK = 16;
/** Masks a lane takes as columns. */
const COLUMNS = 4;
const WORKGROUP = 64;
/** Small workgroups, since every invocation works long: the last ones to end keep no core waiting. */
const DESCRIBED = 16;

const wordsOf = ({ width, height }: OverlapShape): number => Math.ceil((width * height) / 32);
const blocksOf = ({ width, height }: OverlapShape): number => Math.ceil(width / 32) * Math.ceil(height / BLOCK);
/** Words that hold a bit for every block. */
const touchedWords = (s: OverlapShape): number => Math.ceil(blocksOf(s) / 32);

/** Words of the tensors between the dispatches. */
export const overlapScratch = (s: OverlapShape) => ({
  touched: s.n * touchedWords(s),
  keys: s.n,
  order: s.n,
  lists: blocksOf(s) * (1 + s.n),
  counts: s.n * s.n,
});

const uniforms = (s: OverlapShape) => ({
  n: u32(s.n),
  width: u32(s.width),
  height: u32(s.height),
  words: u32(wordsOf(s)),
  blocks: u32(blocksOf(s)),
  touchedWords: u32(touchedWords(s)),
});

/** WGSL: which word of a mask is the s-th of row y, or `u.words` where the row has none. */
const wordOfRow = `
fn firstWord(y: u32) -> u32 { return (y * u.width + 31u) / 32u; }
fn wordOfRow(y: u32, s: u32) -> u32 {
  let k = firstWord(y) + s;
  return select(u.words, k, y < u.height && k < firstWord(y + 1u));
}`;

/**
 * Per mask: touched [N, words], a bit a block, whether any pixel of it is inside; keys [N], the interleaved bits of the
 * mean
 * column and row of the touched blocks.
 * Binds packed u32 [N, ⌈width·height/32⌉], and u32 touched and keys.
 */
export const describeMasks = (s: OverlapShape): Kernel<'packed' | 'touched' | 'keys'> =>
  defineKernel({
    name: 'mask.describeMasks',
    bindings: { packed: read('u32'), touched: write('u32'), keys: write('u32') },
    uniforms: uniforms(s),
    grid: linearGrid(s.n, DESCRIBED),
    bytes: 4 * s.n * (wordsOf(s) + touchedWords(s) + 1),
    source: () => wgsl`${wordOfRow}
${linearIndex(DESCRIBED)}
  if (i >= u.n) { return; }
  let slots = (u.width + 31u) / 32u;
  var bits = 0u;
  var count = 0u;
  var sumX = 0u;
  var sumY = 0u;
  for (var block = 0u; block < u.blocks; block++) {
    let x = block % slots;
    let y = block / slots;
    var any = 0u;
    for (var row = y * ${BLOCK}u; row < min((y + 1u) * ${BLOCK}u, u.height); row++) {
      let k = wordOfRow(row, x);
      any |= select(0u, packed[i * u.words + min(k, u.words - 1u)], k < u.words);
    }
    let hit = select(0u, 1u, any != 0u);
    bits |= hit << (block % 32u);
    count += hit;
    sumX += hit * x;
    sumY += hit * y;
    if (block % 32u == 31u || block + 1u == u.blocks) {
      touched[i * u.touchedWords + block / 32u] = bits;
      bits = 0u;
    }
  }
  // Half blocks are fine enough.
  let x = 2u * sumX / max(count, 1u);
  let y = 2u * sumY / max(count, 1u);
  var key = 0u;
  for (var bit = 0u; bit < 16u; bit++) {
    key |= (((x >> bit) & 1u) | (((y >> bit) & 1u) << 1u)) << (2u * bit);
  }
  keys[i] = key;
}`,
  });

/**
 * order [N]: the masks by ascending key, equal ones by index.
 * Binds keys u32 [N] and order u32 [N].
 */
export const orderMasks = (s: OverlapShape, subgroup: number): Kernel<'keys' | 'order'> =>
  defineKernel({
    name: 'mask.orderMasks',
    constants: { subgroup },
    bindings: { keys: read('u32'), order: write('u32') },
    uniforms: uniforms(s),
    grid: linearGrid(s.n, subgroup),
    requires: { features: ['subgroups'], subgroupSize: subgroup },
    bytes: 8 * s.n,
    source: (c) => wgsl`
enable subgroups;
diagnostic(off, subgroup_uniformity);
@compute @workgroup_size(${c.subgroup})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32) {
  let i = (group.y * groups.x + group.x) * ${c.subgroup}u + lane;
  let key = keys[min(i, u.n - 1u)];
  var rank = 0u;
  for (var first = 0u; first < u.n; first += ${c.subgroup}u) {
    let own = keys[min(first + lane, u.n - 1u)];
    ${range(
      c.subgroup,
      (q) => `{ let other = subgroupBroadcast(own, ${q}u); let j = first + ${q}u;
      rank += select(0u, 1u, j < u.n && (other < key || (other == key && j < i))); }`,
    )}
  }
  if (i < u.n) { order[rank] = i; }
}`,
  });

/**
 * lists [blocks, 1 + N]: how many masks touch the block, and their places in the order, ascending. Clears counts [N,
 * N].
 * Binds touched u32 [N, words], order u32 [N], and u32 lists and counts.
 */
export const listBlocks = (s: OverlapShape): Kernel<'touched' | 'order' | 'lists' | 'counts'> => {
  const invocations = Math.max(s.n, blocksOf(s));
  return defineKernel({
    name: 'mask.listBlocks',
    bindings: { touched: read('u32'), order: read('u32'), lists: write('u32'), counts: write('u32') },
    uniforms: { ...uniforms(s), invocations: u32(invocations) },
    grid: linearGrid(invocations, WORKGROUP),
    bytes: 4 * (s.n * (touchedWords(s) + 1) + overlapScratch(s).lists + s.n * s.n),
    source: () => wgsl`${linearIndex(WORKGROUP)}
  if (i >= u.invocations) { return; }
  for (var at = i; at < u.n * u.n; at += u.invocations) { counts[at] = 0u; }
  if (i >= u.blocks) { return; }
  let start = i * (1u + u.n);
  var length = 0u;
  for (var place = 0u; place < u.n; place++) {
    if (((touched[order[place] * u.touchedWords + i / 32u] >> (i % 32u)) & 1u) == 1u) {
      length++;
      lists[start + length] = place;
    }
  }
  lists[start] = length;
}`,
  });
};

/**
 * counts [N, N] += the pixels that two masks have in common; by their places in the order, the first one's first.
 * Binds packed u32 [N, ⌈width·height/32⌉], order u32 [N], lists u32 [blocks, 1 + N], and counts, whose additions are
 * atomic.
 */
export const countBlocks = (s: OverlapShape, subgroup: number): Kernel<'packed' | 'order' | 'lists' | 'counts'> =>
  defineKernel({
    name: 'mask.countBlocks',
    constants: { subgroup },
    bindings: { packed: read('u32'), order: read('u32'), lists: read('u32'), counts: write('atomic<u32>') },
    uniforms: uniforms(s),
    grid: linearGrid(blocksOf(s), 1),
    requires: { features: ['subgroups'], subgroupSize: subgroup },
    flops: s.n * s.n * wordsOf(s),
    bytes: 4 * s.n * wordsOf(s) + 4 * s.n * s.n,
    source: countSource,
  });

const range = (count: number, line: (i: number) => string, separator = '\n    '): string =>
  Array.from({ length: count }, (_, i) => line(i)).join(separator);

function countSource({ subgroup }: { subgroup: number }): string {
  const width = subgroup * COLUMNS;
  /** Words of a row that each lane fetches. */
  const shares = BLOCK / subgroup;
  const count = (c: number): string => {
    const both = Array.from({ length: BLOCK }, (_, w) => `p${c}_${w}`);
    const { code, sum } = countBits(both, `q${c}_`);
    // A loop of one round: software drivers jump over loops, but compute both ways of a condition.
    return `for (var once = select(0u, 1u, r < end${c}); once > 0u; once--) {
            ${both.map((name, w) => `let ${name} = a${w} & words[${c * BLOCK + w}];`).join(' ')}
            ${code}
            let both = ${sum};
            if (both > 0u && r <= at${c} && at${c} < length) {
              atomicAdd(&counts[row * u.n + place${c}], both);
            }
          }`;
  };
  return wgsl`
enable subgroups;
diagnostic(off, subgroup_uniformity);
${wordOfRow}
@compute @workgroup_size(${subgroup})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32) {
  let block = group.y * groups.x + group.x;
  if (block >= u.blocks) { return; }
  let slots = (u.width + 31u) / 32u;
  let slot = block % slots;
  let y = block / slots * ${BLOCK}u;
  let list = block * (1u + u.n) + 1u;
  let length = lists[list - 1u];
  ${range(shares, (j) => `let k${j} = wordOfRow(y + ${j * subgroup}u + lane, slot);`, '\n  ')}
  var words: array<u32, ${BLOCK * COLUMNS}>;
  for (var first = 0u; first < length; first += ${width}u) {
    ${range(
      COLUMNS,
      (c) => `let at${c} = first + ${c * subgroup}u + lane;
    let place${c} = lists[list + min(at${c}, length - 1u)];
    let column${c} = order[place${c}] * u.words;
    // Rows behind the last column are behind all of them.
    let end${c} = select(0u, first + ${(c + 1) * subgroup}u, first + ${c * subgroup}u < length);`,
    )}
    ${range(
      COLUMNS,
      (c) => `for (var w = 0u; w < select(0u, ${BLOCK}u, end${c} > 0u); w++) {
      let k = wordOfRow(y + w, slot);
      words[${c * BLOCK}u + w] = select(0u, packed[column${c} + min(k, u.words - 1u)], k < u.words);
    }`,
    )}
    let rows = min(first + ${width}u, length);
    for (var firstRow = 0u; firstRow < rows; firstRow += ${subgroup}u) {
      let ownPlace = lists[list + min(firstRow + lane, length - 1u)];
      let ownStart = order[ownPlace] * u.words;
      // Not unrolled: the end is known only at run time.
      for (var q = 0u; q < min(${subgroup}u, rows - firstRow); q++) {
        let r = firstRow + q;
        let row = subgroupShuffle(ownPlace, q);
        let start = subgroupShuffle(ownStart, q);
        ${range(shares, (j) => `let v${j} = select(0u, packed[start + min(k${j}, u.words - 1u)], k${j} < u.words);`, '\n        ')}
        ${range(BLOCK, (w) => `let a${w} = subgroupBroadcast(v${Math.floor(w / subgroup)}, ${w % subgroup}u);`, ' ')}
        ${range(COLUMNS, count, '\n        ')}
      }
    }
  }
}`;
}

/**
 * The maps of exact quotients, as `pairwiseOverlap` of mask.ts defines them.
 * Binds order u32 [N], counts u32 [N, N], iou and containment [N, N].
 */
export const overlapRatios = (s: OverlapShape): Kernel<'order' | 'counts' | 'iou' | 'containment'> =>
  defineKernel({
    name: 'mask.overlapRatios',
    bindings: { order: read('u32'), counts: read('u32'), iou: write(), containment: write() },
    uniforms: { n: u32(s.n) },
    grid: [Math.ceil(s.n / WORKGROUP), Math.ceil(s.n / WORKGROUP), 1],
    bytes: 12 * s.n * s.n,
    source: () => wgsl`${storePairs}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32) {
  let column = group.x * ${WORKGROUP}u + t;
  if (group.y > group.x || column >= u.n) { return; }
  let j = order[column];
  let areaJ = counts[column * u.n + column];
  for (var row = group.y * ${WORKGROUP}u; row <= min(column, group.y * ${WORKGROUP}u + ${WORKGROUP - 1}u); row++) {
    storePairs(order[row], j, counts[row * u.n + column], counts[row * u.n + row], areaJ);
  }
}`,
  });
