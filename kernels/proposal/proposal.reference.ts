/** Plain f64 references of the proposal kernels. Arguments and results are laid out as on the GPU. */
import {
  COARSE_SIGMA,
  EDGE_WEIGHTS,
  FINE_SIGMA,
  gaussianTaps,
  type ImageSize,
  ORIENTATIONS,
  type SlicGrid,
} from './proposal.ts';

const clamp = (value: number, high: number): number => Math.min(Math.max(value, 0), high);

/** Lab [3, n] of words that hold R, G, B from the low byte on. */
export function lab(rgb: ArrayLike<number>): Float64Array {
  const n = rgb.length;
  const out = new Float64Array(3 * n);
  const linear = (byte: number): number => {
    const v = byte / 255;
    return v > 0.04045 ? ((v + 0.055) / 1.055) ** 2.4 : v / 12.92;
  };
  const compress = (t: number): number => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
  for (let i = 0; i < n; i++) {
    const [r, g, b] = [0, 8, 16].map((shift) => linear((rgb[i] >> shift) & 255));
    const x = compress((0.412453 * r + 0.35758 * g + 0.180423 * b) / 0.95047);
    const y = compress(0.212671 * r + 0.71516 * g + 0.072169 * b);
    const z = compress((0.019334 * r + 0.119193 * g + 0.950227 * b) / 1.08883);
    out[i] = 116 * y - 16;
    out[n + i] = 500 * (x - y);
    out[2 * n + i] = 200 * (y - z);
  }
  return out;
}

/** Both Gaussians of Lab [3, n] along both axes: [6, n]. */
export function blur(planes: ArrayLike<number>, { width, height }: ImageSize): Float64Array {
  const n = width * height;
  const out = new Float64Array(6 * n);
  for (let plane = 0; plane < 6; plane++) {
    const taps = gaussianTaps(plane < 3 ? FINE_SIGMA : COARSE_SIGMA);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        let sum = 0;
        for (let j = 1 - taps.length; j < taps.length; j++) {
          const row = (plane % 3) * n + clamp(y + j, height - 1) * width;
          for (let i = 1 - taps.length; i < taps.length; i++) {
            sum += taps[Math.abs(i)] * taps[Math.abs(j)] * planes[row + clamp(x + i, width - 1)];
          }
        }
        out[plane * n + y * width + x] = sum;
      }
    }
  }
  return out;
}

/** Edge strength, fine gradient length and its sector: [3, n], from the blurred planes [6, n]. */
export function edges(blurred: ArrayLike<number>, { width, height }: ImageSize): Float64Array {
  const n = width * height;
  const out = new Float64Array(3 * n);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (plane: number, dx: number, dy: number): number =>
        blurred[plane * n + clamp(y + dy, height - 1) * width + clamp(x + dx, width - 1)];
      let strength = 0;
      for (let c = 0; c < 3; c++) {
        let sx = 0;
        let sy = 0;
        for (let k = -1; k <= 1; k++) {
          sx += (2 - Math.abs(k)) * (at(3 + c, 1, k) - at(3 + c, -1, k));
          sy += (2 - Math.abs(k)) * (at(3 + c, k, 1) - at(3 + c, k, -1));
        }
        strength += EDGE_WEIGHTS[c] ** 2 * (sx * sx + sy * sy);
      }
      const i = y * width + x;
      out[i] = Math.sqrt(strength) / 8;
      const slope = (a: number, b: number, at: number, size: number): number =>
        (b - a) / Math.max(1, clamp(at + 1, size - 1) - clamp(at - 1, size - 1));
      const gx = slope(at(0, -1, 0), at(0, 1, 0), x, width);
      const gy = slope(at(0, 0, -1), at(0, 0, 1), y, height);
      out[n + i] = Math.hypot(gx, gy);
      const turn = out[n + i] === 0 ? 0.5 : Math.atan2(gy, gx) / (2 * Math.PI) + 0.5;
      out[2 * n + i] = Math.min(Math.floor(turn * ORIENTATIONS), ORIENTATIONS - 1);
    }
  }
  return out;
}

/** Grid cell of every pixel. */
export function slicCells({ width, height, columns, rows }: ImageSize & SlicGrid): Float64Array {
  return Float64Array.from(
    { length: width * height },
    (_, i) =>
      Math.floor((Math.floor(i / width) * rows) / height) * columns + Math.floor(((i % width) * columns) / width),
  );
}

/** Nearest centre of the 3×3 cells around a pixel's own; `margins` (of the runner-up over it) tell ties. */
export function slicAssign(
  blurred: ArrayLike<number>,
  centres: ArrayLike<number>,
  shape: ImageSize & SlicGrid,
  compactness: number,
): { labels: Float64Array; margins: Float64Array } {
  const { width, height, columns, rows } = shape;
  const n = width * height;
  const cells = slicCells(shape);
  const labels = new Float64Array(n);
  const margins = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const [cx, cy] = [cells[i] % columns, Math.floor(cells[i] / columns)];
    let [least, second] = [Infinity, Infinity];
    for (let y = Math.max(0, cy - 1); y <= Math.min(rows - 1, cy + 1); y++) {
      for (let x = Math.max(0, cx - 1); x <= Math.min(columns - 1, cx + 1); x++) {
        const k = y * columns + x;
        let colour = 0;
        for (let c = 0; c < 3; c++) colour += (blurred[c * n + i] - centres[5 * k + c]) ** 2;
        const space = ((i % width) - centres[5 * k + 3]) ** 2 + (Math.floor(i / width) - centres[5 * k + 4]) ** 2;
        const d = colour / compactness ** 2 + (space * columns * rows) / n;
        if (d < least) {
          second = least;
          least = d;
          labels[i] = k;
        } else if (d < second) second = d;
      }
    }
    margins[i] = second - least;
  }
  return { labels, margins };
}

/** Mean L, a, b, x, y of every label's pixels; infinitely far where a label has none. */
export function slicCentres(
  blurred: ArrayLike<number>,
  labels: ArrayLike<number>,
  { width, columns, rows }: ImageSize & SlicGrid,
): Float64Array {
  const n = labels.length;
  const counts = new Float64Array(columns * rows);
  const sums = new Float64Array(5 * columns * rows);
  for (let i = 0; i < n; i++) {
    const values = [blurred[i], blurred[n + i], blurred[2 * n + i], i % width, Math.floor(i / width)];
    values.forEach((value, q) => {
      sums[5 * labels[i] + q] += value;
    });
    counts[labels[i]]++;
  }
  return sums.map((sum, j) => (counts[Math.floor(j / 5)] > 0 ? sum / counts[Math.floor(j / 5)] : Infinity));
}
