import { ORIENTATIONS } from '@cim/kernels/proposal/proposal';
import { HISTOGRAM, type Leaves } from './leaves.ts';
import { MergeQueue } from './merge-queue.ts';

/** What makes two adjacent regions distant: a weighted sum, each term about 0…1. */
export interface MergeCriterion {
  /** Mean edge strength along their boundary. */
  readonly boundary: number;
  /** Distance of their mean colours. */
  readonly colour: number;
  /** 1 − the intersection of their colour histograms. */
  readonly histogram: number;
  /** 1 − the intersection of their gradient orientation histograms. */
  readonly texture: number;
  /** The terms above are multiplied by (the smaller one's share of the image × 50) to this power: small regions go first. */
  readonly size: number;
  /** Share of the image that their common box holds besides them. */
  readonly fill: number;
}

/** Lab units a pixel, and Lab units, that count 1. */
const EDGE_UNIT = 12;
const COLOUR_UNIT = 40;

/** Binary tree of merges: nodes 0 … leafCount − 1 are the leaves, later ones unions of two earlier ones; the last is the root. */
export interface MergeTree {
  /** 2 · leafCount − 1. */
  readonly count: number;
  /** Left children of the nodes from leafCount on, by node − leafCount. */
  readonly left: Int32Array;
  /** Right children, likewise. */
  readonly right: Int32Array;
  /** Pixel sides between the two children. */
  readonly seamLength: Float64Array;
  /** Sum of the edge strengths along them. */
  readonly seamEdge: Float64Array;
  /** Distance at which a node arose; never falling towards the root. */
  readonly birth: Float64Array;
  /** Distance at which it went up into its parent. */
  readonly death: Float64Array;
}

/** A row of sums for every node, and the same scaled once, since a region is compared many times. */
class Rows {
  readonly #width: number;
  readonly #sums: Float64Array;
  readonly #scaled: Float64Array;

  constructor(leaves: Float64Array, width: number, count: number) {
    this.#width = width;
    this.#sums = new Float64Array(width * count);
    this.#sums.set(leaves);
    this.#scaled = new Float64Array(width * count);
  }

  sum(node: number): number {
    const sums = this.#sums;
    const width = this.#width;
    let sum = 1e-6;
    for (let k = node * width; k < (node + 1) * width; k++) sum += sums[k];
    return sum;
  }

  /** Row `node` becomes those of a and b together. */
  add(node: number, a: number, b: number): void {
    const sums = this.#sums;
    const width = this.#width;
    for (let k = 0, n = node * width, i = a * width, j = b * width; k < width; k++) sums[n++] = sums[i++] + sums[j++];
  }

  scale(node: number, divisor: number): void {
    const sums = this.#sums;
    const scaled = this.#scaled;
    const width = this.#width;
    for (let k = node * width; k < (node + 1) * width; k++) scaled[k] = sums[k] / divisor;
  }

  /** Intersection of two scaled histograms. */
  common(a: number, b: number): number {
    const scaled = this.#scaled;
    const width = this.#width;
    let common = 0;
    for (let k = 0, i = a * width, j = b * width; k < width; k++) common += Math.min(scaled[i++], scaled[j++]);
    return common;
  }

  /** Between two scaled rows. */
  distance(a: number, b: number): number {
    const scaled = this.#scaled;
    const width = this.#width;
    let sum = 0;
    for (let k = 0, i = a * width, j = b * width; k < width; k++) sum += (scaled[i++] - scaled[j++]) ** 2;
    return Math.sqrt(sum);
  }
}

/** Merges the two nearest adjacent regions until one is left (agglomerative clustering on the region adjacency graph). */
export function buildHierarchy(leaves: Leaves, criterion: MergeCriterion): MergeTree {
  const { count: leafCount, pixels, boundaries } = leaves;
  const count = 2 * leafCount - 1;
  const extend = <T extends Float64Array | Int32Array>(rows: T, width: number, larger: T): T => {
    larger.set(rows.subarray(0, leafCount * width) as T);
    return larger;
  };
  const area = extend(leaves.area, 1, new Float64Array(count));
  const colour = new Rows(leaves.colour, 3, count);
  const histogram = new Rows(leaves.histogram, HISTOGRAM, count);
  const texture = new Rows(leaves.texture, ORIENTATIONS, count);
  const scale = (node: number): void => {
    if (criterion.colour > 0) colour.scale(node, area[node]);
    if (criterion.histogram > 0) histogram.scale(node, 3 * area[node]);
    if (criterion.texture > 0) texture.scale(node, texture.sum(node));
  };
  for (let leaf = 0; leaf < leafCount; leaf++) scale(leaf);
  const box = extend(leaves.box, 4, new Int32Array(4 * count));
  const length = boundaries.length.slice();
  const edge = boundaries.edge.slice();
  /** Of each living region: neighbour → boundary. */
  const neighbours: Map<number, number>[] = Array.from({ length: leafCount }, () => new Map());
  for (let k = 0; k < boundaries.count; k++) {
    neighbours[boundaries.first[k]].set(boundaries.second[k], k);
    neighbours[boundaries.second[k]].set(boundaries.first[k], k);
  }

  const distance = (a: number, b: number, boundary: number): number => {
    let d = 0;
    if (criterion.boundary > 0) d += (criterion.boundary * edge[boundary]) / length[boundary] / EDGE_UNIT;
    if (criterion.colour > 0) d += (criterion.colour * colour.distance(a, b)) / COLOUR_UNIT;
    if (criterion.histogram > 0) d += criterion.histogram * (1 - histogram.common(a, b));
    if (criterion.texture > 0) d += criterion.texture * (1 - texture.common(a, b));
    if (criterion.size > 0) d *= ((Math.min(area[a], area[b]) / pixels) * 50) ** criterion.size;
    if (criterion.fill > 0) {
      const width = Math.max(box[4 * a + 2], box[4 * b + 2]) - Math.min(box[4 * a], box[4 * b]);
      const height = Math.max(box[4 * a + 3], box[4 * b + 3]) - Math.min(box[4 * a + 1], box[4 * b + 1]);
      d += (criterion.fill * (width * height - area[a] - area[b])) / pixels;
    }
    return d;
  };

  const queue = new MergeQueue(4 * boundaries.count);
  for (let k = 0; k < boundaries.count; k++) {
    const { first, second } = boundaries;
    queue.push(distance(first[k], second[k], k), first[k], second[k]);
  }

  const left = new Int32Array(leafCount - 1);
  const right = new Int32Array(leafCount - 1);
  const seamLength = new Float64Array(leafCount - 1);
  const seamEdge = new Float64Array(leafCount - 1);
  const birth = new Float64Array(count);
  const death = new Float64Array(count);
  const merged = new Uint8Array(count);
  let height = 0;
  for (let node = leafCount; node < count; ) {
    // An image is connected, so the queue lasts until one region is left.
    const { distance: d, first: a, second: b } = queue.pop()!;
    if (merged[a] || merged[b]) continue;
    merged[a] = merged[b] = 1;
    height = Math.max(height, d);
    birth[node] = death[a] = death[b] = height;
    const seam = neighbours[a].get(b)!;
    left[node - leafCount] = a;
    right[node - leafCount] = b;
    seamLength[node - leafCount] = length[seam];
    seamEdge[node - leafCount] = edge[seam];

    area[node] = area[a] + area[b];
    for (const rows of [colour, histogram, texture]) rows.add(node, a, b);
    scale(node);
    for (let k = 0; k < 2; k++) {
      box[4 * node + k] = Math.min(box[4 * a + k], box[4 * b + k]);
      box[4 * node + 2 + k] = Math.max(box[4 * a + 2 + k], box[4 * b + 2 + k]);
    }

    // Boundaries of a become those of the union; those of b are added to them.
    const around = neighbours[a];
    around.delete(b);
    for (const [other, boundary] of neighbours[b]) {
      if (other === a) continue;
      neighbours[other].delete(b);
      const known = around.get(other);
      if (known === undefined) around.set(other, boundary);
      else {
        length[known] += length[boundary];
        edge[known] += edge[boundary];
      }
    }
    neighbours[node] = around;
    for (const [other, boundary] of around) {
      neighbours[other].delete(a);
      neighbours[other].set(node, boundary);
      queue.push(distance(node, other, boundary), other, node);
    }
    node++;
  }
  death[count - 1] = height;
  return { count, left, right, seamLength, seamEdge, birth, death };
}
