/** The report CIM gives for PASCAL VOC masks: mAP at IoU 0.25, 0.5, 0.7 and 0.75 (lib/datasets/json_inference.py). */
import { evaluateCoco } from './coco.ts';
import type { CocoJson, CocoResult } from './coco-json.ts';

/** The IoU thresholds that the paper reports. */
export const vocThresholds = [0.25, 0.5, 0.7, 0.75] as const;

/** Average precision in [0, 1]. */
export interface VocReport {
  /** Of shape [4]: mean over all classes of the file, at each of `vocThresholds`. */
  readonly meanAp: readonly number[];
  /** Ascending category id. `ap` [4]; a class without objects counts 0, not "undefined". */
  readonly byCategory: readonly {
    readonly categoryId: number;
    readonly name: string;
    readonly ap: readonly number[];
  }[];
}

/** Mask AP of a result file by class, at most 100 detections an image and class. Errors as `evaluateCoco`. */
export function vocReport(gt: CocoJson, detections: readonly CocoResult[]): VocReport {
  const evaluation = evaluateCoco(gt, detections, { type: 'segm', iouThresholds: vocThresholds });
  const byCategory = evaluation.byCategory.map(({ categoryId, name, apByIou }) => ({
    categoryId,
    name,
    ap: apByIou.map((ap) => Math.max(ap, 0)),
  }));
  const meanAp = vocThresholds.map((_, t) => byCategory.reduce((sum, { ap }) => sum + ap[t], 0) / byCategory.length);
  return { meanAp, byCategory };
}
