/**
 * The overlap maps of {@link pairwiseOverlap} with a lane a mask: for software GPUs, where loads dominate.
 *
 * Proposals are local, so most words are 0. The words of the masks are dealt into blocks of 16 rows of the image by 32
 * pixels: word k belongs to the row y that its first pixel lies in, and is the s-th word of that row. In four dispatches:
 *
 * 1. `describeMasks`   per mask: its area, which blocks it touches, and a key by where it lies
 * 2. `orderMasks`      sorts the masks along a Z-order curve, so that neighbours in the order lie near each other
 * 3. `gatherBlocks`    per block and 32 neighbours: which of these touch it, as bits of a word
 * 4. `overlapLanes`    a subgroup takes 64 masks as rows and four a lane as columns. It passes over the blocks that no row or
 *                      no column touches; in the others, over the rows that do not. Lanes fetch a row's 16 words together
 *                      and broadcast them; 16 words of a pair take 5 bit counts ({@link countBits}).
 */
import { defineKernel, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '../kernel.ts';
import { countBits } from './carry-save.ts';
import { storePairs } from './store-pairs.ts';

/** N masks of one image, pixels. */
export interface OverlapShape {
  readonly n: number;
  readonly width: number;
  readonly height: number;
}

/** Rows of the image in a block, and words of a mask in it. */
const BLOCK = 16;
/** Neighbours whose bits share a word. */
const GROUP = 32;
/** Masks of a tile's rows: whole groups. */
const ROWS = 128;
const ROW_GROUPS = ROWS / GROUP;
const WORKGROUP = 64;

const wordsOf = ({ width, height }: OverlapShape): number => Math.ceil((width * height) / 32);
const blocksOf = ({ width, height }: OverlapShape): number => Math.ceil(width / 32) * Math.ceil(height / BLOCK);
/** Words that hold a bit for every block. */
const touchedWords = (s: OverlapShape): number => Math.ceil(blocksOf(s) / 32);

/** Words of the tensors between the dispatches. */
export const overlapScratch = (s: OverlapShape) => ({
  touched: s.n * touchedWords(s),
  areas: s.n,
  keys: s.n,
  order: s.n,
  groups: ROW_GROUPS * Math.ceil(s.n / ROWS) * blocksOf(s),
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
 * Per mask: areas [N] pixels; touched [N, words], a bit a block, whether any pixel of it is inside; keys [N], the
 * interleaved bits of the mean column and row of the touched blocks.
 */
export const describeMasks = (s: OverlapShape): Kernel<'packed' | 'touched' | 'areas' | 'keys'> =>
  defineKernel({
    name: 'mask.describeMasks',
    bindings: { packed: read('u32'), touched: write('u32'), areas: write('u32'), keys: write('u32') },
    uniforms: uniforms(s),
    grid: linearGrid(s.n, WORKGROUP),
    bytes: 4 * s.n * (wordsOf(s) + touchedWords(s) + 2),
    source: () => wgsl`${wordOfRow}
${linearIndex(WORKGROUP)}
  if (i >= u.n) { return; }
  let slots = (u.width + 31u) / 32u;
  var area = 0u;
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
      let word = select(0u, packed[i * u.words + min(k, u.words - 1u)], k < u.words);
      any |= word;
      area += countOneBits(word);
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
  areas[i] = area;
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

/** order [N]: the masks by ascending key, equal ones by index. */
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

/** groups [⌈N/32⌉ rounded up to even, blocks]: bit m says whether mask order[32·group + m] touches the block. */
export const gatherBlocks = (s: OverlapShape): Kernel<'touched' | 'order' | 'groups'> =>
  defineKernel({
    name: 'mask.gatherBlocks',
    bindings: { touched: read('u32'), order: read('u32'), groups: write('u32') },
    uniforms: { ...uniforms(s), size: u32(overlapScratch(s).groups) },
    grid: linearGrid(overlapScratch(s).groups, WORKGROUP),
    bytes: 4 * (s.n * touchedWords(s) + s.n + overlapScratch(s).groups),
    source: () => wgsl`${linearIndex(WORKGROUP)}
  if (i >= u.size) { return; }
  let block = i % u.blocks;
  let first = i / u.blocks * ${GROUP}u;
  var bits = 0u;
  for (var m = 0u; first + m < min(first + ${GROUP}u, u.n); m++) {
    bits |= ((touched[order[first + m] * u.touchedWords + block / 32u] >> (block % 32u)) & 1u) << m;
  }
  groups[i] = bits;
}`,
  });

/** The maps, as {@link pairwiseOverlap} defines them. */
export function overlapLanes(
  s: OverlapShape,
  subgroup: number,
): Kernel<'packed' | 'areas' | 'order' | 'groups' | 'iou' | 'containment'> {
  const columns = columnsOf(subgroup);
  return defineKernel({
    name: 'mask.overlapLanes',
    constants: { subgroup, columns },
    bindings: {
      packed: read('u32'),
      areas: read('u32'),
      order: read('u32'),
      groups: read('u32'),
      iou: write(),
      containment: write(),
    },
    uniforms: uniforms(s),
    grid: [Math.ceil(s.n / (subgroup * columns)), Math.ceil(s.n / ROWS), 1],
    requires: { features: ['subgroups'], subgroupSize: subgroup },
    flops: s.n * s.n * wordsOf(s),
    bytes: 4 * s.n * wordsOf(s) + 8 * s.n * s.n,
    source: lanesSource,
  });
}

/** Masks a lane takes as columns: four, and no subgroup's columns cross a group. */
const columnsOf = (subgroup: number): number => Math.min(4, GROUP / subgroup);

const range = (count: number, line: (i: number) => string, separator = '\n    '): string =>
  Array.from({ length: count }, (_, i) => line(i)).join(separator);

function lanesSource({ subgroup, columns }: { subgroup: number; columns: number }): string {
  const width = subgroup * columns;
  /** Words of a row that each lane fetches. */
  const shares = BLOCK / subgroup;
  const count = (c: number): string => {
    const both = Array.from({ length: BLOCK }, (_, w) => `p${c}_${w}`);
    const { code, sum } = countBits(both, `q${c}_`);
    // A loop of one round: software drivers jump over loops, but compute both ways of a condition.
    return `for (var once = min(1u, (columnBits >> ${c * subgroup}u) & ${2 ** subgroup - 1}u); once > 0u; once--) {
            ${both.map((name, w) => `let ${name} = a${w} & words[${c * BLOCK + w}];`).join(' ')}
            ${code}
            counts[r * ${columns}u + ${c}u] += ${sum};
          }`;
  };
  return wgsl`
enable subgroups;
diagnostic(off, subgroup_uniformity);
${wordOfRow}
${storePairs}
@compute @workgroup_size(${subgroup})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let firstRow = group.y * ${ROWS}u;
  let firstColumn = group.x * ${width}u;
  // Pairs below the diagonal of the order are mirrored from above it.
  if (firstRow >= firstColumn + ${width}u) { return; }
  let slots = (u.width + 31u) / 32u;
  ${range(columns, (c) => `let column${c} = order[min(firstColumn + ${c * subgroup}u + lane, u.n - 1u)] * u.words;`, '\n  ')}
  var rows: array<u32, ${ROWS}>;
  for (var r = 0u; r < ${ROWS}u; r++) { rows[r] = order[min(firstRow + r, u.n - 1u)] * u.words; }
  var counts: array<u32, ${ROWS * columns}>;
  var words: array<u32, ${BLOCK * columns}>;
  var rowBits: array<u32, ${ROW_GROUPS}>;
  let rowGroups = min(${ROW_GROUPS}u, (u.n - firstRow + ${GROUP - 1}u) / ${GROUP}u);
  let rowGroup = group.y * ${ROW_GROUPS}u * u.blocks;
  let columnGroup = firstColumn / ${GROUP}u * u.blocks;
  for (var first = 0u; first < u.blocks; first += ${subgroup}u) {
    // A lane looks at one block.
    let own = min(first + lane, u.blocks - 1u);
    let ofColumns = (groups[columnGroup + own] >> (firstColumn % ${GROUP}u)) & ${2 ** width - 1}u;
    ${range(ROW_GROUPS, (g) => `let ofRows${g} = groups[rowGroup + ${g}u * u.blocks + own];`)}
    let anyRow = ${range(ROW_GROUPS, (g) => `ofRows${g}`, ' | ')};
    var pending = subgroupBallot(first + lane < u.blocks && ofColumns != 0u && anyRow != 0u).x;
    while (pending != 0u) {
      let q = firstTrailingBit(pending);
      pending &= pending - 1u;
      let slot = (first + q) % slots;
      let y = (first + q) / slots * ${BLOCK}u;
      for (var w = 0u; w < ${BLOCK}u; w++) {
        let k = wordOfRow(y + w, slot);
        let at = min(k, u.words - 1u);
        ${range(columns, (c) => `words[${c * BLOCK}u + w] = select(0u, packed[column${c} + at], k < u.words);`, '\n        ')}
      }
      ${range(shares, (j) => `let k${j} = wordOfRow(y + ${j * subgroup}u + lane, slot);`, '\n      ')}
      let columnBits = subgroupShuffle(ofColumns, q);
      ${range(ROW_GROUPS, (g) => `rowBits[${g}] = subgroupShuffle(ofRows${g}, q);`, '\n      ')}
      // Not unrolled: the end is known only at run time.
      for (var g = 0u; g < rowGroups; g++) {
        var touching = rowBits[g];
        while (touching != 0u) {
          let r = g * ${GROUP}u + firstTrailingBit(touching);
          touching &= touching - 1u;
          ${range(shares, (j) => `let v${j} = select(0u, packed[rows[r] + min(k${j}, u.words - 1u)], k${j} < u.words);`, '\n          ')}
          ${range(BLOCK, (w) => `let a${w} = subgroupBroadcast(v${Math.floor(w / subgroup)}, ${w % subgroup}u);`, ' ')}
          ${range(columns, count, '\n          ')}
        }
      }
    }
  }
  for (var c = 0u; c < ${columns}u; c++) {
    let column = firstColumn + c * ${subgroup}u + lane;
    if (column >= u.n) { continue; }
    let j = order[column];
    let areaJ = areas[j];
    for (var r = 0u; r < ${ROWS}u && firstRow + r <= column; r++) {
      let i = order[firstRow + r];
      storePairs(i, j, counts[r * ${columns}u + c], areas[i], areaJ);
    }
  }
}`;
}
