import type { PixelMaps } from './superpixels.ts';

export interface Partition {
  /** Leaf of every pixel, in the order of their first pixels. */
  readonly labels: Uint16Array;
  readonly leafCount: number;
}

/** Most leaves a label of 16 bits can name. */
export const MAX_LEAVES = 65535;

/**
 * Makes superpixels 4-connected: each connected component becomes a leaf, and one of fewer than `minSize` pixels joins
 * the adjacent one nearest in mean Lab, smallest components first.
 */
export function connectSuperpixels({ width, height, lab, label }: PixelMaps, minSize: number): Partition {
  const n = width * height;
  // Components by flood fill: the pixels of component c are order[starts[c] … starts[c + 1]).
  const component = new Int32Array(n).fill(-1);
  const order = new Int32Array(n);
  const starts: number[] = [];
  let filled = 0;
  for (let seed = 0; seed < n; seed++) {
    if (component[seed] >= 0) continue;
    const id = starts.length;
    starts.push(filled);
    component[seed] = id;
    order[filled++] = seed;
    for (let head = starts[id]; head < filled; head++) {
      const pixel = order[head];
      const x = pixel % width;
      const visit = (next: number): void => {
        if (component[next] < 0 && label[next] === label[pixel]) {
          component[next] = id;
          order[filled++] = next;
        }
      };
      if (x > 0) visit(pixel - 1);
      if (x < width - 1) visit(pixel + 1);
      if (pixel >= width) visit(pixel - width);
      if (pixel < n - width) visit(pixel + width);
    }
  }
  const count = starts.length;
  starts.push(n);

  const size = new Float64Array(count);
  const colour = new Float64Array(3 * count);
  for (let i = 0; i < n; i++) {
    size[component[i]]++;
    for (let c = 0; c < 3; c++) colour[3 * component[i] + c] += lab[c * n + i];
  }

  const parent = Int32Array.from({ length: count }, (_, id) => id);
  const rootOf = (id: number): number => {
    while (parent[id] !== id) id = parent[id] = parent[parent[id]];
    return id;
  };
  const distance = (p: number, q: number): number => {
    let sum = 0;
    for (let c = 0; c < 3; c++) sum += (colour[3 * p + c] / size[p] - colour[3 * q + c] / size[q]) ** 2;
    return sum;
  };
  const small = Array.from({ length: count }, (_, id) => id)
    .filter((id) => size[id] < minSize)
    .sort((p, q) => size[p] - size[q] || p - q);
  // A component may grow by joining another small one and stay small; each round leaves fewer of them.
  for (let joined = true; joined; ) {
    joined = false;
    for (const id of small) {
      const root = rootOf(id);
      if (size[root] >= minSize) continue;
      let nearest = -1;
      let least = Infinity;
      const consider = (neighbour: number): void => {
        const other = rootOf(component[neighbour]);
        if (other === root || other === nearest) return;
        const d = distance(root, other);
        if (d < least) {
          least = d;
          nearest = other;
        }
      };
      for (let at = starts[id]; at < starts[id + 1]; at++) {
        const pixel = order[at];
        const x = pixel % width;
        if (x > 0) consider(pixel - 1);
        if (x < width - 1) consider(pixel + 1);
        if (pixel >= width) consider(pixel - width);
        if (pixel < n - width) consider(pixel + width);
      }
      if (nearest < 0) continue;
      parent[root] = nearest;
      size[nearest] += size[root];
      for (let c = 0; c < 3; c++) colour[3 * nearest + c] += colour[3 * root + c];
      joined = true;
    }
  }

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
