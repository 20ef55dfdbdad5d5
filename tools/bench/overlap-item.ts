/** The overlap maps of mining, of masks that are made up. */
import { overlapCandidates } from '@cim/kernels';
import type { Target } from '@cim/kernels/target';
import { type Device, Generator } from '@cim/runtime';
import { planRun, type TunedItem } from './item.ts';

/** Words of masks that repeat: enough that no cache holds their products. */
const DISTINCT = 2 ** 16;
/** Half axes of blobs, shares of the image's sides: the blobs cover 8 % of an image on average, as proposals do. */
const [SMALLEST, LARGEST] = [0.04, 0.4];

type Fill = (n: number, width: number, height: number) => Uint32Array;

/** Every pixel inside or not, at random: the worst case, which no proposal is. */
export const noiseMasks: Fill = (n, width, height) => {
  const words = Math.ceil((width * height) / 32);
  const generator = new Generator(1);
  const word = () => 2 ** 16 * generator.integer(2 ** 16) + generator.integer(2 ** 16);
  const block = Uint32Array.from({ length: DISTINCT }, word);
  const behind = 32 * words - width * height;
  return Uint32Array.from({ length: n * words }, (_, i) => {
    const bits = block[i % DISTINCT];
    return i % words === words - 1 ? (bits << behind) >>> behind : bits;
  });
};

/** Ellipses of all sizes, anywhere: local, as proposals are. */
export const blobMasks: Fill = (n, width, height) => {
  const words = Math.ceil((width * height) / 32);
  const generator = new Generator(1);
  const halfAxis = (side: number) => side * SMALLEST * (LARGEST / SMALLEST) ** generator.uniform();
  const packed = new Uint32Array(n * words);
  for (let mask = 0; mask < n; mask++) {
    const [cx, cy] = [width * generator.uniform(), height * generator.uniform()];
    const [rx, ry] = [halfAxis(width), halfAxis(height)];
    for (let y = Math.max(0, Math.ceil(cy - ry)); y < Math.min(height, cy + ry); y++) {
      const reach = rx * Math.sqrt(1 - ((y - cy) / ry) ** 2);
      const end = Math.min(width, cx + reach);
      for (let x = Math.max(0, Math.ceil(cx - reach)); x < end; x++) {
        const p = y * width + x;
        packed[mask * words + (p >>> 5)] |= 1 << (p & 31);
      }
    }
  }
  return packed;
};

/** IoU and containment of all pairs of n masks, by the kernels that training would choose. */
export function overlapItem(id: string, what: string, fill: Fill, n: number, width: number, height: number): TunedItem {
  const words = Math.ceil((width * height) / 32);
  const candidates = (target: Target) =>
    [...overlapCandidates({ n, width, height }, target)].map(({ name, plan }) => ({ name, plan: plan() }));
  const operands = (device: Device) => ({
    packed: device.tensor(fill(n, width, height), [n, words], 'u32'),
    iou: device.empty([n, n]),
    containment: device.empty([n, n]),
  });
  return {
    id,
    title: `IoU and containment of ${n} ${what} of ${width}×${height}`,
    flops: 0,
    bytes: 4 * n * words + 8 * n * n,
    setup: (device) => planRun(device, candidates(device.target)[0].plan, operands(device)),
    candidates,
    operands,
  };
}
