import { disjoint, hasLeaf, unite, wordsFor } from './bitset.ts';
import type { MergeTree } from './hierarchy.ts';
import type { Leaves } from './leaves.ts';

/** Regions that may be objects, with the score that ranks them. */
export interface Candidates {
  /** Regions. */
  readonly count: number;
  /** Leaf sets [count, words]. */
  readonly members: Uint32Array;
  /** Pixels [count]. */
  readonly area: Float64Array;
  /** Objectness [count]. */
  readonly score: Float64Array;
}

/** Regions of one tree that are tried in pairs: the longest-lived, by shares of the image that an object may take. */
const PERSISTENT = 40;
const PERSISTENT_AREA = [0.005, 0.6] as const;
/** A pair's lifetime, as a share of the sum of its members' lifetimes. */
const PAIR_LIFE = 0.35;

/** Sums over a region's leaves. */
interface Measures {
  /** Pixels, and pixel sides on the image's border. */
  readonly area: Float64Array;
  readonly border: Float64Array;
  /** Every boundary of a leaf of the region (one inside counts twice): pixel sides, and their edge strengths summed. */
  readonly length: Float64Array;
  readonly edge: Float64Array;
  /** Those inside the region, counted once. */
  readonly innerLength: Float64Array;
  readonly innerEdge: Float64Array;
}

/**
 * Every node of the trees, and the unions of adjacent pairs among the longest-lived nodes of a tree, whose area is in
 * (`areas` shares of the image, exclusive). The same region may appear several times.
 */
export function gatherCandidates(
  leaves: Leaves,
  trees: readonly MergeTree[],
  areas: readonly [number, number],
): Candidates {
  const words = wordsFor(leaves.count);
  const capacity = trees.length * (2 * leaves.count - 1 + (PERSISTENT * (PERSISTENT - 1)) / 2);
  const members = new Uint32Array(capacity * words);
  const area = new Float64Array(capacity);
  const score = new Float64Array(capacity);
  let count = 0;

  for (const tree of trees) {
    const sets = treeMembers(leaves.count, tree, words);
    const m = measureNodes(leaves, tree);
    const height = tree.death[tree.count - 1] + 1e-9;
    const span = (node: number): number => (tree.death[node] - tree.birth[node]) / height;
    const life = Float64Array.from(
      { length: tree.count },
      (_, node) => 0.5 * span(node) + (0.5 * tree.death[node]) / height,
    );

    const consider = (i: number, j: number, lifetime: number, seamLength: number, seamEdge: number): void => {
      const sum = (values: Float64Array): number => (i === j ? values[i] : values[i] + values[j]);
      const pixels = sum(m.area);
      if (!(pixels > areas[0] * leaves.pixels && pixels < areas[1] * leaves.pixels)) return;
      const innerLength = sum(m.innerLength) + seamLength;
      const innerEdge = sum(m.innerEdge) + seamEdge;
      unite(members, count, sets, i, sets, j, words);
      area[count] = pixels;
      score[count] = objectness({
        share: pixels / leaves.pixels,
        pixels,
        life: lifetime,
        innerStrength: innerEdge / (innerLength + 1e-6),
        outline: sum(m.length) - 2 * innerLength,
        outlineEdge: Math.max(0, sum(m.edge) - 2 * innerEdge),
        border: sum(m.border),
        perimeter: leaves.perimeter,
      });
      count++;
    };

    for (let node = 0; node < tree.count; node++) consider(node, node, life[node], 0, 0);

    const persistent = Array.from({ length: tree.count }, (_, node) => node)
      .filter(
        (node) =>
          m.area[node] > PERSISTENT_AREA[0] * leaves.pixels && m.area[node] < PERSISTENT_AREA[1] * leaves.pixels,
      )
      .sort((p, q) => span(q) - span(p) || p - q)
      .slice(0, PERSISTENT);
    const seams = measureSeams(leaves, sets, words, persistent);
    for (let p = 0; p < persistent.length; p++) {
      for (let q = p + 1; q < persistent.length; q++) {
        const at = p * persistent.length + q;
        const [i, j] = [persistent[p], persistent[q]];
        if (seams.length[at] === 0 || !disjoint(sets, words, i, j)) continue;
        consider(i, j, PAIR_LIFE * (life[i] + life[j]), seams.length[at], seams.edge[at]);
      }
    }
  }
  return {
    count,
    members: members.subarray(0, count * words),
    area: area.subarray(0, count),
    score: score.subarray(0, count),
  };
}

/**
 * How much a region looks like an object: a strong outline, an even inside, a compact shape, a long life in its tree,
 * little contact with the image's border, and not too small.
 */
function objectness(region: {
  /** Of the image. */
  readonly share: number;
  readonly pixels: number;
  readonly life: number;
  /** Mean edge strength of the boundaries inside. */
  readonly innerStrength: number;
  /** Pixel sides towards other regions, and their edge strengths summed. */
  readonly outline: number;
  readonly outlineEdge: number;
  /** Pixel sides on the image's border, and how many there are in all. */
  readonly border: number;
  readonly perimeter: number;
}): number {
  const strength = region.outlineEdge / (region.outline + 1e-6);
  const compactness = (4 * Math.PI * region.pixels) / ((region.outline + region.border) ** 2 + 1);
  return (
    Math.log(strength + 1e-3) -
    0.25 * Math.log(region.innerStrength + 1) +
    0.3 * Math.log(compactness + 1e-3) +
    1.2 * region.life -
    (2.5 * region.border) / region.perimeter +
    0.25 * Math.log(region.share) -
    (region.share > 0.6 ? 0.5 : 0)
  );
}

function treeMembers(leafCount: number, tree: MergeTree, words: number): Uint32Array {
  const sets = new Uint32Array(tree.count * words);
  for (let leaf = 0; leaf < leafCount; leaf++) sets[leaf * words + (leaf >>> 5)] = 1 << (leaf & 31);
  for (let k = 0; k < leafCount - 1; k++) unite(sets, leafCount + k, sets, tree.left[k], sets, tree.right[k], words);
  return sets;
}

function measureNodes(leaves: Leaves, tree: MergeTree): Measures {
  const column = (): Float64Array => new Float64Array(tree.count);
  const m = {
    area: column(),
    border: column(),
    length: column(),
    edge: column(),
    innerLength: column(),
    innerEdge: column(),
  };
  m.area.set(leaves.area);
  m.border.set(leaves.border);
  const { boundaries } = leaves;
  for (let k = 0; k < boundaries.count; k++) {
    for (const leaf of [boundaries.first[k], boundaries.second[k]]) {
      m.length[leaf] += boundaries.length[k];
      m.edge[leaf] += boundaries.edge[k];
    }
  }
  for (let k = 0; k < leaves.count - 1; k++) {
    for (const values of Object.values(m)) values[leaves.count + k] = values[tree.left[k]] + values[tree.right[k]];
    m.innerLength[leaves.count + k] += tree.seamLength[k];
    m.innerEdge[leaves.count + k] += tree.seamEdge[k];
  }
  return m;
}

/** Boundary between every two of the nodes, [nodes, nodes], of use where they are disjoint: pixel sides and summed edge strength. */
function measureSeams(leaves: Leaves, sets: Uint32Array, words: number, nodes: readonly number[]) {
  const length = new Float64Array(nodes.length ** 2);
  const edge = new Float64Array(nodes.length ** 2);
  const holders = Array.from({ length: leaves.count }, (_, leaf) =>
    nodes.map((_, at) => at).filter((at) => hasLeaf(sets, words, nodes[at], leaf)),
  );
  const { boundaries } = leaves;
  for (let k = 0; k < boundaries.count; k++) {
    for (const p of holders[boundaries.first[k]]) {
      for (const q of holders[boundaries.second[k]]) {
        const at = Math.min(p, q) * nodes.length + Math.max(p, q);
        length[at] += boundaries.length[k];
        edge[at] += boundaries.edge[k];
      }
    }
  }
  return { length, edge };
}
