/**
 * Bit-packed binary masks. Mask n of H·W pixels is `words` = ⌈H·W/32⌉ u32: row-major pixel p is bit p mod 32 of word
 * ⌊p/32⌋; the bits behind the last pixel are 0.
 *
 * - `packMasks`             bytes 0/1 [N, H·W] → u32 [N, words]
 * - `pairwiseOverlap`       the two f16 maps that CIM mines with, [N, N]: iou = |i∧j| / |i∨j| and
 *                           containment = |i∧j| / |j|, the share of j that lies inside i
 * - `pairwiseIntersection`  |a∧b| of two sets of masks, u32 [A, B]
 *
 * The pairwise kernels count like a matrix product: a workgroup of 64 takes 32 × 32 pairs, an invocation 4 × 4, and the
 * words of the 64 masks pass through workgroup memory. CPU references: mask.reference.ts.
 */
import { defineKernel, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '../kernel.ts';
import { storePairs } from './store-pairs.ts';

const WORKGROUP = 64;

/**
 * Packs N masks of `pixels` bytes, each 0 or 1, laid one after the other without gaps, 4 bytes a word of `bytes`.
 * Binds bytes u32 [⌈N·pixels/4⌉] and packed u32 [N, ⌈pixels/32⌉].
 */
export function packMasks({ n, pixels }: { n: number; pixels: number }): Kernel<'bytes' | 'packed'> {
  const words = Math.ceil(pixels / 32);
  return defineKernel({
    name: 'mask.packMasks',
    bindings: { bytes: read('u32'), packed: write('u32') },
    uniforms: { n: u32(n), pixels: u32(pixels), words: u32(words) },
    grid: linearGrid(n * words, WORKGROUP),
    bytes: n * pixels + 4 * n * words,
    source: () => wgsl`${linearIndex(WORKGROUP)}
  if (i >= u.n * u.words) { return; }
  let mask = i / u.words;
  let first = (i - mask * u.words) * 32u;
  var word = 0u;
  for (var bit = 0u; bit < min(32u, u.pixels - first); bit++) {
    let p = mask * u.pixels + first + bit;
    word |= ((bytes[p / 4u] >> (8u * (p % 4u))) & 1u) << bit;
  }
  packed[i] = word;
}`,
  });
}

/** Pairs of masks along each side of a workgroup's square. */
const TILE = 32;
/** Words of each mask that one round brings into workgroup memory: 2·TILE·STEP·4 bytes = 8 KiB. */
const STEP = 32;

/**
 * Declares `tile` and `countPairs`, which returns |a∧b| of the invocation's 4 rows (one vec4u each) by 4 columns.
 * A round's slice holds, word by word, 8 groups of 4 masks of the rows and 8 of the columns.
 */
const countPairs = (rows: string, rowCount: string, columns: string, columnCount: string): string => `
const GROUPS = ${TILE / 4}u;
const STEP = ${STEP}u;
var<workgroup> tile: array<vec4u, ${(STEP * TILE * 2) / 4}>;

fn rowWord(mask: u32, k: u32) -> u32 {
  if (mask >= ${rowCount} || k >= u.words) { return 0u; }
  return ${rows}[mask * u.words + k];
}
fn columnWord(mask: u32, k: u32) -> u32 {
  if (mask >= ${columnCount} || k >= u.words) { return 0u; }
  return ${columns}[mask * u.words + k];
}
// Neighbouring invocations read neighbouring words of one mask.
fn loadTile(t: u32, row: u32, column: u32, first: u32) {
  for (var item = t; item < 2u * GROUPS * STEP; item += ${WORKGROUP}u) {
    let k = item % STEP;
    let group = item / STEP;
    var four: vec4u;
    if (group < GROUPS) {
      let mask = row + 4u * group;
      four = vec4u(rowWord(mask, first + k), rowWord(mask + 1u, first + k),
                   rowWord(mask + 2u, first + k), rowWord(mask + 3u, first + k));
    } else {
      let mask = column + 4u * (group - GROUPS);
      four = vec4u(columnWord(mask, first + k), columnWord(mask + 1u, first + k),
                   columnWord(mask + 2u, first + k), columnWord(mask + 3u, first + k));
    }
    tile[k * 2u * GROUPS + group] = four;
  }
}
fn addPairs(counts: PairCounts, rowGroup: u32, columnGroup: u32) -> PairCounts {
  var sum = counts;
  for (var k = 0u; k < STEP; k++) {
    let a = tile[k * 2u * GROUPS + rowGroup];
    let b = tile[k * 2u * GROUPS + GROUPS + columnGroup];
    sum.row0 += countOneBits(vec4u(a.x) & b);
    sum.row1 += countOneBits(vec4u(a.y) & b);
    sum.row2 += countOneBits(vec4u(a.z) & b);
    sum.row3 += countOneBits(vec4u(a.w) & b);
  }
  return sum;
}
struct PairCounts { row0: vec4u, row1: vec4u, row2: vec4u, row3: vec4u }`;

/**
 * iou and containment of all pairs of N masks, each the exact quotient of two pixel counts rounded to f32 and then to
 * f16 (to nearest, ties to even), as numpy stores them. Two empty masks have iou NaN; any j that is empty, containment
 * NaN.
 * The pairs above the diagonal are mirrored.
 * Binds packed u32 [N, ⌈width·height/32⌉], iou and containment [N, N].
 */
export function pairwiseOverlap({ n, words }: { n: number; words: number }): Kernel<'packed' | 'iou' | 'containment'> {
  const tiles = Math.ceil(n / TILE);
  return defineKernel({
    name: 'mask.pairwiseOverlap',
    bindings: { packed: read('u32'), iou: write(), containment: write() },
    uniforms: { n: u32(n), words: u32(words) },
    grid: [tiles, tiles, 1],
    flops: n * n * words,
    bytes: 4 * n * words + 8 * n * n,
    source: () => wgsl`${countPairs('packed', 'u.n', 'packed', 'u.n')}
// Areas of the tile's 16 groups of masks, in 4 parts that each counted every fourth word.
var<workgroup> areaParts: array<vec4u, ${4 * 2 * (TILE / 4)}>;

${storePairs}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32) {
  if (group.y > group.x) { return; }
  let row = group.y * ${TILE}u;
  let column = group.x * ${TILE}u;
  let rowGroup = t / GROUPS;
  let columnGroup = t % GROUPS;
  var counts = PairCounts();
  var area = vec4u();
  for (var first = 0u; first < u.words; first += STEP) {
    loadTile(t, row, column, first);
    workgroupBarrier();
    counts = addPairs(counts, rowGroup, columnGroup);
    for (var k = t / (2u * GROUPS); k < STEP; k += 4u) {
      area += countOneBits(tile[k * 2u * GROUPS + t % (2u * GROUPS)]);
    }
    workgroupBarrier();
  }
  areaParts[t] = area;
  workgroupBarrier();
  var rowAreas = vec4u();
  var columnAreas = vec4u();
  for (var part = 0u; part < ${WORKGROUP}u; part += 2u * GROUPS) {
    rowAreas += areaParts[part + rowGroup];
    columnAreas += areaParts[part + GROUPS + columnGroup];
  }
  var both = array<vec4u, 4>(counts.row0, counts.row1, counts.row2, counts.row3);
  for (var r = 0u; r < 4u; r++) {
    let i = row + 4u * rowGroup + r;
    for (var c = 0u; c < 4u; c++) {
      let j = column + 4u * columnGroup + c;
      if (i <= j && j < u.n) { storePairs(i, j, both[r][c], rowAreas[r], columnAreas[c]); }
    }
  }
}`,
  });
}

/**
 * counts[i][j] = |a_i ∧ b_j| of A and B masks.
 * Binds packedA u32 [A, ⌈pixels/32⌉], packedB u32 [B, ⌈pixels/32⌉], counts u32 [A, B].
 */
export function pairwiseIntersection({
  a,
  b,
  words,
}: {
  a: number;
  b: number;
  words: number;
}): Kernel<'packedA' | 'packedB' | 'counts'> {
  return defineKernel({
    name: 'mask.pairwiseIntersection',
    bindings: { packedA: read('u32'), packedB: read('u32'), counts: write('u32') },
    uniforms: { a: u32(a), b: u32(b), words: u32(words) },
    grid: [Math.ceil(b / TILE), Math.ceil(a / TILE), 1],
    flops: 2 * a * b * words,
    bytes: 4 * (a + b) * words + 4 * a * b,
    source: () => wgsl`${countPairs('packedA', 'u.a', 'packedB', 'u.b')}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32) {
  let row = group.y * ${TILE}u;
  let column = group.x * ${TILE}u;
  let rowGroup = t / GROUPS;
  let columnGroup = t % GROUPS;
  var pairs = PairCounts();
  for (var first = 0u; first < u.words; first += STEP) {
    loadTile(t, row, column, first);
    workgroupBarrier();
    pairs = addPairs(pairs, rowGroup, columnGroup);
    workgroupBarrier();
  }
  var both = array<vec4u, 4>(pairs.row0, pairs.row1, pairs.row2, pairs.row3);
  for (var r = 0u; r < 4u; r++) {
    let i = row + 4u * rowGroup + r;
    for (var c = 0u; c < 4u; c++) {
      let j = column + 4u * columnGroup + c;
      if (i < u.a && j < u.b) { counts[i * u.b + j] = both[r][c]; }
    }
  }
}`,
  });
}
