import { assignClusters } from '@cim/model/assign/index';
import {
  cropMask,
  maskBox,
  maskOverlaps,
  type PackedMasks,
  packMasks,
  packMasksOnDevice,
} from '@cim/model/masks/index';
import { peaksInImage } from '@cim/model/peaks/index';
import type { Device } from '@cim/runtime';
import type { CaseKind } from '../case.ts';
import { type Comparison, compare, tolerances } from '../compare.ts';
import type { Golden } from '../golden.ts';

const { exact } = tolerances;

/** `in.masks`, [N, H, W] of 0 and 1. */
function packedMasks(golden: Golden): PackedMasks {
  const [count, height, width] = golden.shape('in.masks');
  return packMasks(golden.bytes('in.masks'), count, width, height);
}

async function checkMasks(device: Device, golden: Golden): Promise<Comparison[]> {
  const bytes = golden.bytes('in.masks');
  const [count, height, width] = golden.shape('in.masks');
  const comparisons: Comparison[] = [];
  if (golden.has('out.iou_map')) {
    const { iou, containment } = maskOverlaps(device, packMasksOnDevice(device, bytes, count, width, height), {
      width,
      height,
    });
    comparisons.push(compare('out.iou_map', await iou.read(), golden.data('out.iou_map'), exact));
    comparisons.push(compare('out.asy_iou_map', await containment.read(), golden.data('out.asy_iou_map'), exact));
  }
  const masks = Array.from({ length: count }, (_, n) => bytes.subarray(n * width * height, (n + 1) * width * height));
  const boxes = masks.map((mask) => maskBox(mask, width, height)!);
  const crops = masks.map((mask, n) => cropMask(mask, width, boxes[n]));
  comparisons.push(compare('out.boxes', boxes.flat(), golden.data('out.boxes'), exact));
  comparisons.push(
    compare(
      'out.masks_7x7',
      crops.flatMap((crop) => [...crop]),
      golden.data('out.masks_7x7'),
      exact,
    ),
  );
  return comparisons;
}

async function checkPeakAssignment(_device: Device, golden: Golden): Promise<Comparison[]> {
  const masks = packedMasks(golden);
  const rows = golden.data('in.peaks');
  const scores = golden.data('in.peak_score');
  const side = golden.option('grid');
  const peaks = Array.from(scores, (score, k) => ({
    classIndex: rows[4 * k + 1],
    row: rows[4 * k + 2],
    column: rows[4 * k + 3],
    score,
  }));
  const placed = peaksInImage(peaks, { width: side, height: side }, masks);
  const mat = assignClusters(masks, placed, {
    numClasses: golden.option('num_classes'),
    averageThreshold: golden.option('avg_thr', 0.7),
    iouThreshold: golden.option('iou_thr', 0.5),
  });
  return [compare('out.mat', mat, golden.data('out.mat'), exact)];
}

async function checkPointAssignment(_device: Device, golden: Golden): Promise<Comparison[]> {
  const points = golden.data('in.points');
  const placed = Array.from({ length: points.length / 4 }, (_, k) => ({
    classIndex: points[4 * k + 2],
    row: Math.trunc(points[4 * k + 1]),
    column: Math.trunc(points[4 * k]),
  }));
  const mat = assignClusters(packedMasks(golden), placed, { numClasses: golden.option('num_classes') });
  return [compare('out.mat', mat, golden.data('out.mat'), exact)];
}

/** mask_*, label_assign_*: what is prepared before training. */
export const masks: CaseKind[] = [
  { pattern: /^mask_/, check: checkMasks },
  { pattern: /^label_assign_point/, check: checkPointAssignment },
  { pattern: /^label_assign_/, check: checkPeakAssignment },
];
