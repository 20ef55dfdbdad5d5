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
  /** Children of the nodes from leafCount on, by node − leafCount. */
  readonly left: Int32Array;
  readonly right: Int32Array;
  /** Boundary between the two children: pixel sides, and their edge strengths summed. */
  readonly seamLength: Float64Array;
  readonly seamEdge: Float64Array;
  /** Distance at which a node arose, and at which it went up into its parent; never falling towards the root. */
  readonly birth: Float64Array;
  readonly death: Float64Array;
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
  const colour = extend(leaves.colour, 3, new Float64Array(3 * count));
  const histogram = extend(leaves.histogram, HISTOGRAM, new Float64Array(HISTOGRAM * count));
  const texture = extend(leaves.texture, ORIENTATIONS, new Float64Array(ORIENTATIONS * count));
  const box = extend(leaves.box, 4, new Int32Array(4 * count));
  const length = boundaries.length.slice();
  const edge = boundaries.edge.slice();
  /** Of each living region: neighbour → boundary. */
  const neighbours: Map<number, number>[] = Array.from({ length: leafCount }, () => new Map());
  for (let k = 0; k < boundaries.count; k++) {
    neighbours[boundaries.first[k]].set(boundaries.second[k], k);
    neighbours[boundaries.second[k]].set(boundaries.first[k], k);
  }

  /** 1 − Σ min of two histograms, each scaled to sum 1. */
  const difference = (rows: Float64Array, width: number, a: number, b: number, sumA: number, sumB: number): number => {
    let common = 0;
    for (let k = 0, i = a * width, j = b * width; k < width; k++, i++, j++)
      common += Math.min(rows[i] / sumA, rows[j] / sumB);
    return 1 - common;
  };
  const rowSum = (rows: Float64Array, width: number, a: number): number => {
    let sum = 1e-6;
    for (let k = 0; k < width; k++) sum += rows[a * width + k];
    return sum;
  };
  const distance = (a: number, b: number, boundary: number): number => {
    let d = 0;
    if (criterion.boundary > 0) d += (criterion.boundary * edge[boundary]) / length[boundary] / EDGE_UNIT;
    if (criterion.colour > 0) {
      let sum = 0;
      for (let c = 0; c < 3; c++) sum += (colour[3 * a + c] / area[a] - colour[3 * b + c] / area[b]) ** 2;
      d += (criterion.colour * Math.sqrt(sum)) / COLOUR_UNIT;
    }
    if (criterion.histogram > 0)
      d += criterion.histogram * difference(histogram, HISTOGRAM, a, b, 3 * area[a], 3 * area[b]);
    if (criterion.texture > 0) {
      const [sumA, sumB] = [rowSum(texture, ORIENTATIONS, a), rowSum(texture, ORIENTATIONS, b)];
      d += criterion.texture * difference(texture, ORIENTATIONS, a, b, sumA, sumB);
    }
    d *= ((Math.min(area[a], area[b]) / pixels) * 50) ** criterion.size;
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
    const addRows = (rows: Float64Array, width: number): void => {
      for (let k = 0; k < width; k++) rows[node * width + k] = rows[a * width + k] + rows[b * width + k];
    };
    addRows(colour, 3);
    addRows(histogram, HISTOGRAM);
    addRows(texture, ORIENTATIONS);
    for (let k = 0; k < 4; k++) box[4 * node + k] = (k < 2 ? Math.min : Math.max)(box[4 * a + k], box[4 * b + k]);

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
