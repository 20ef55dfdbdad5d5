/**
 * Class-agnostic mask proposals without any learned part or download: superpixels, merged greedily in four ways, and
 * ranked by how much the regions look like objects. In the spirit of MCG (Arbeláez et al., CVPR 2014) and selective
 * search (Uijlings et al., IJCV 2013); they stand in for COB's (Maninis et al., PAMI 2018).
 *
 * Pixels are handled on the GPU (superpixels.ts), the few hundred regions on the CPU.
 */
import type { ImageSize } from '@cim/kernels/proposal/proposal';
import type { Device } from '@cim/runtime/device';
import { ShapeError } from '@cim/runtime/errors';
import type { RgbImage } from '../image.ts';
import { LeafAreas, wordsFor } from './bitset.ts';
import { type Candidates, gatherCandidates } from './candidates.ts';
import { connectSuperpixels, MAX_LEAVES } from './connectivity.ts';
import { buildHierarchy, type MergeCriterion } from './hierarchy.ts';
import { describeLeaves, type Leaves } from './leaves.ts';
import { type PixelMaps, segmentPixels } from './superpixels.ts';

/** Of {@link proposeMasks}; {@link PROPOSAL_DEFAULTS} has the values of those not given. */
export interface ProposalOptions {
  /** About how many superpixels; 1 … 16384. */
  readonly superpixels?: number;
  /** Most proposals of an image. */
  readonly limit?: number;
  /** A proposal whose mask IoU with a better one exceeds this is dropped. */
  readonly nms?: number;
  /** Share of the image that a region must exceed. */
  readonly minAreaFraction?: number;
  /** Share of the image that a region must stay below. */
  readonly maxAreaFraction?: number;
}

/** The values of options that are not given. */
export const PROPOSAL_DEFAULTS: Required<ProposalOptions> = {
  superpixels: 400,
  limit: 200,
  nms: 0.85,
  minAreaFraction: 0.002,
  maxAreaFraction: 0.9,
};

/** Masks of one image, as unions of leaves (superpixels), best first. */
export interface Proposals extends ImageSize {
  /** Masks. */
  readonly count: number;
  /** Leaf of every pixel [height · width]. */
  readonly labels: Uint16Array;
  /** Leaves; labels are below. */
  readonly leafCount: number;
  /** Leaf sets [count, ⌈leafCount / 32⌉]: leaf l is bit l mod 32 of word ⌊l / 32⌋. */
  readonly members: Uint32Array;
  /** Objectness [count], falling; comparable within an image only. */
  readonly scores: Float32Array;
}

/** Components smaller than this share of a mean superpixel join a neighbour. */
const MIN_COMPONENT = 0.25;

/** Trees that disagree about what belongs together: between them they hold most objects. */
const CRITERIA: readonly MergeCriterion[] = [
  { boundary: 1, colour: 0.5, histogram: 0, texture: 0, size: 0, fill: 0 },
  { boundary: 0, colour: 0, histogram: 1, texture: 0.5, size: 0.25, fill: 1 },
  { boundary: 0.5, colour: 1, histogram: 0, texture: 0, size: 0.2, fill: 0 },
  { boundary: 1, colour: 0, histogram: 0.5, texture: 0, size: 0.35, fill: 0.5 },
];

/** Finds regions in what the GPU found of the pixels: {@link proposeRegions}, here or in another thread. */
export type RegionFinder = (maps: PixelMaps, options: ProposalOptions) => Proposals | Promise<Proposals>;

/**
 * Proposes masks for an image. The same image, options and adapter give the same proposals. An image of one leaf
 * (a single pixel, say) has none.
 * @throws ShapeError when `rgb` does not hold 3 · width · height bytes, or an option is out of range.
 * @example
 * ```ts
 * import { proposalMask } from '@cim/model/proposals/masks';
 * import { proposeMasks } from '@cim/model/proposals/proposals';
 * import { Device } from '@cim/runtime';
 *
 * const [width, height] = [48, 32];
 * const rgb = new Uint8Array(width * height * 3).fill(40);
 * for (let y = 8; y < 24; y++) rgb.fill(220, 3 * (y * width + 8), 3 * (y * width + 24)); // a square of 16×16
 * const device = await Device.open();
 * const proposals = await proposeMasks(device, { width, height, rgb }, { superpixels: 24 });
 * const areas = Array.from({ length: proposals.count }, (_, n) =>
 *   proposalMask(proposals, n).reduce((sum, pixel) => sum + pixel, 0),
 * );
 * console.log(areas.includes(256)); // → true
 * await device.close();
 * ```
 */
export async function proposeMasks(
  device: Device,
  image: RgbImage,
  options: ProposalOptions = {},
  regions: RegionFinder = proposeRegions,
): Promise<Proposals> {
  const { superpixels } = { ...PROPOSAL_DEFAULTS, ...options };
  const { rgb, width, height } = image;
  const pixels = width * height;
  if (rgb.length !== 3 * pixels || pixels === 0) {
    throw new ShapeError(`An RGB image of ${width}×${height} needs ${3 * pixels} bytes, got ${rgb.length}.`);
  }
  const mostSuperpixels = MAX_LEAVES * MIN_COMPONENT;
  if (!(superpixels >= 1 && superpixels <= mostSuperpixels)) {
    throw new ShapeError(`superpixels must be 1 to ${mostSuperpixels}, got ${superpixels}.`);
  }
  return regions(await segmentPixels(device, image, superpixels), options);
}

/** The part of {@link proposeMasks} that needs no GPU: superpixels become connected leaves, trees and ranked masks. */
export function proposeRegions(maps: PixelMaps, options: ProposalOptions = {}): Proposals {
  const { superpixels, limit, nms, minAreaFraction, maxAreaFraction } = { ...PROPOSAL_DEFAULTS, ...options };
  const { width, height } = maps;
  const partition = connectSuperpixels(maps, (MIN_COMPONENT * width * height) / superpixels);
  const leaves = describeLeaves(maps, partition);
  const trees = CRITERIA.map((criterion) => buildHierarchy(leaves, criterion));
  const candidates = gatherCandidates(leaves, trees, [minAreaFraction, maxAreaFraction]);
  const kept = suppress(candidates, leaves, nms, limit);

  const words = wordsFor(partition.leafCount);
  const members = new Uint32Array(kept.length * words);
  kept.forEach((row, at) => members.set(candidates.members.subarray(row * words, (row + 1) * words), at * words));
  const scores = Float32Array.from(kept, (row) => candidates.score[row]);
  return { width, height, count: kept.length, ...partition, members, scores };
}

/** Greedy mask NMS: indices of the kept candidates, best first, at most `limit`. */
function suppress(candidates: Candidates, leaves: Leaves, threshold: number, limit: number): number[] {
  const areas = new LeafAreas(leaves.area);
  const { count, score } = candidates;
  const order = Array.from({ length: count }, (_, row) => row).sort((p, q) => score[q] - score[p] || p - q);
  const kept: number[] = [];
  for (const row of order) {
    if (kept.length >= limit) break;
    if (!overlapsAny(candidates, row, kept, areas, threshold)) kept.push(row);
  }
  return kept;
}

/** Whether the mask IoU of a candidate with any of those kept exceeds the threshold. */
function overlapsAny(
  { members, area }: Candidates,
  row: number,
  kept: readonly number[],
  areas: LeafAreas,
  threshold: number,
): boolean {
  for (const other of kept) {
    const small = Math.min(area[row], area[other]);
    const large = Math.max(area[row], area[other]);
    // No IoU exceeds the ratio of the areas.
    if (small <= threshold * large) continue;
    const common = areas.intersection(members, row, members, other);
    if (common > threshold * (small + large - common)) return true;
  }
  return false;
}
