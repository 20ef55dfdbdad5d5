import { overlapCandidates, pairwiseIntersection } from '@cim/kernels';
import { type Device, ShapeError, type Tensor } from '@cim/runtime';
import { runPlan } from '@cim/runtime/plan';
import { maskAreas, type PackedMasks, uploadMasks, wordsPerMask } from './packed.ts';

/**
 * How N masks of one image overlap, rounded to half precision as in the original (mask_iou and mask_asymmetric_iou,
 * lib/utils/mask_utils.py).
 */
export interface MaskOverlaps {
  /** [N, N] |i∧j| / |i∨j|. */
  readonly iou: Tensor;
  /** [N, N] |i∧j| / |j|: the share of mask j that lies inside mask i. */
  readonly containment: Tensor;
}

/**
 * The maps that mining reads, from packed masks u32 [N, words] of images of `width`×`height` pixels: f32 tensors that hold f16 values, because the original
 * stores float16 and compares thresholds after that rounding. Empty masks give NaN.
 * (create_cob_iou.py, create_cob_asy_iou.py)
 */
export function maskOverlaps(
  device: Device,
  packed: Tensor,
  { width, height }: { readonly width: number; readonly height: number },
): MaskOverlaps {
  const [n] = packed.shape;
  const overlaps = { iou: device.empty([n, n]), containment: device.empty([n, n]) };
  const [best] = overlapCandidates({ n, width, height }, device.target);
  runPlan(device, best.plan(), { packed, ...overlaps });
  return overlaps;
}

/**
 * IoU [A, B] of two sets of masks of one image, not rounded, for evaluation. Two empty masks give NaN.
 *
 * @throws ShapeError when the masks are of different sizes.
 * @example
 * ```ts
 * import { packMasks, pairwiseIou } from '@cim/model/masks/index';
 * import { Device } from '@cim/runtime';
 *
 * const device = await Device.open();
 * const a = packMasks([1, 1, 0, 0], 1, 2, 2); // one mask of 2×2 pixels: the upper row
 * const b = packMasks([1, 0, 1, 0, 1, 1, 1, 1], 2, 2, 2); // the left column, and everything
 * console.log([...(await pairwiseIou(device, a, b))].map((iou) => iou.toFixed(2))); // → [ '0.33', '0.50' ]
 * await device.close();
 * ```
 */
export async function pairwiseIou(device: Device, a: PackedMasks, b: PackedMasks): Promise<Float64Array> {
  if (a.width !== b.width || a.height !== b.height) {
    throw new ShapeError(`Masks of ${a.width}×${a.height} cannot be compared with masks of ${b.width}×${b.height}.`);
  }
  const packedA = uploadMasks(device, a);
  const packedB = uploadMasks(device, b);
  const counts = device.empty([a.count, b.count], 'u32');
  device.run(pairwiseIntersection({ a: a.count, b: b.count, words: wordsPerMask(a) }), { packedA, packedB, counts });
  const intersections = await counts.read();
  for (const tensor of [packedA, packedB, counts]) tensor.dispose();
  const areasA = maskAreas(a);
  const areasB = maskAreas(b);
  return Float64Array.from(intersections, (intersection, i) => {
    const union = areasA[Math.floor(i / b.count)] + areasB[i % b.count] - intersection;
    return intersection / union;
  });
}
