import type { PixelMaps } from './superpixels.ts';

/** An image cut into connected leaves. */
export interface Partition {
  /** Leaf of every pixel, in the order of their first pixels. */
  readonly labels: Uint16Array;
  /** Leaves; labels are below. */
  readonly leafCount: number;
}

/** Most leaves that labels of 16 bits can name. */
export const MAX_LEAVES = 65536;

/**
 * Makes superpixels 4-connected: each connected component becomes a leaf, and one of fewer than `minSize` pixels joins
 * the adjacent one nearest in mean Lab, smallest components first.
 */
export function connectSuperpixels({ width, height, lab, label }: PixelMaps, minSize: number): Partition {
  const n = width * height;
  // Union-find over component numbers; the root of a set is its smallest number.
  const component = new Int32Array(n);
  const parent: number[] = [];
  const rootOf = (id: number): number => {
    while (parent[id] !== id) id = parent[id] = parent[parent[id]];
    return id;
  };
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const left = x > 0 && label[i - 1] === label[i] ? component[i - 1] : -1;
      const up = y > 0 && label[i - width] === label[i] ? component[i - width] : -1;
      if (left >= 0) component[i] = left;
      else if (up >= 0) component[i] = up;
      else component[i] = parent.push(parent.length) - 1;
      if (left >= 0 && up >= 0 && left !== up) {
        const [p, q] = [rootOf(left), rootOf(up)];
        parent[Math.max(p, q)] = Math.min(p, q);
      }
    }
  }

  const count = parent.length;
  const size = new Float64Array(count);
  const colour = new Float64Array(3 * count);
  for (let i = 0; i < n; i++) {
    const root = (component[i] = rootOf(component[i]));
    size[root]++;
    for (let c = 0; c < 3; c++) colour[3 * root + c] += lab[c * n + i];
  }
  joinSmall({ width, height, component, parent, rootOf, size, colour, minSize });

  const leaf = new Int32Array(count).fill(-1);
  const labels = new Uint16Array(n);
  let leafCount = 0;
  for (let i = 0; i < n; i++) {
    const root = rootOf(component[i]);
    if (leaf[root] < 0) leaf[root] = leafCount++;
    labels[i] = leaf[root];
  }
  return { labels, leafCount };
}

interface Components {
  readonly width: number;
  readonly height: number;
  /** Root of every pixel. */
  readonly component: Int32Array;
  readonly parent: number[];
  readonly rootOf: (id: number) => number;
  /** Pixels of each root, and sums of their L, a, b. */
  readonly size: Float64Array;
  readonly colour: Float64Array;
  readonly minSize: number;
}

function joinSmall({ width, height, component, parent, rootOf, size, colour, minSize }: Components): void {
  const neighbours = new Map<number, Set<number>>();
  const meet = (p: number, q: number): void => {
    if (size[p] >= minSize) return;
    let around = neighbours.get(p);
    if (!around) neighbours.set(p, (around = new Set()));
    around.add(q);
  };
  const side = (p: number, q: number): void => {
    if (p === q) return;
    meet(p, q);
    meet(q, p);
  };
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (x + 1 < width) side(component[i], component[i + 1]);
      if (y + 1 < height) side(component[i], component[i + width]);
    }
  }
  const distance = (p: number, q: number): number => {
    let sum = 0;
    for (let c = 0; c < 3; c++) sum += (colour[3 * p + c] / size[p] - colour[3 * q + c] / size[q]) ** 2;
    return sum;
  };
  const small = [...neighbours.keys()].sort((p, q) => size[p] - size[q] || p - q);
  // Small ones that join each other may stay small: each round leaves fewer of them, until none changes.
  for (let joined = true; joined; ) {
    joined = false;
    for (const id of small) {
      const root = rootOf(id);
      if (size[root] >= minSize) continue;
      let nearest = -1;
      let least = Infinity;
      for (const neighbour of neighbours.get(id)!) {
        const other = rootOf(neighbour);
        const d = other === root ? Infinity : distance(root, other);
        if (d < least) {
          least = d;
          nearest = other;
        }
      }
      if (nearest < 0) continue;
      parent[root] = nearest;
      size[nearest] += size[root];
      for (let c = 0; c < 3; c++) colour[3 * nearest + c] += colour[3 * root + c];
      joined = true;
    }
  }
}
