import { type CocoEvaluation, evaluateCoco } from '@cim/model/evaluate/coco';
import { type VocReport, vocReport } from '@cim/model/evaluate/voc-report';
import { readGroundTruth } from '../datasets/read-ground-truth.ts';
import { readResults } from '../datasets/results.ts';

export interface EvaluateFilesOptions {
  /** COCO annotations with masks. */
  readonly gt: string;
  /** COCO results. */
  readonly dt: string;
  readonly type: 'segm' | 'bbox';
  /** Adds the mask report of PASCAL VOC. */
  readonly voc: boolean;
}

/** Scores one file against another. @throws DataError, EvaluationError */
export async function evaluateFiles({
  gt: annotations,
  dt,
  type,
  voc,
}: EvaluateFilesOptions): Promise<{ coco: CocoEvaluation; voc?: VocReport }> {
  const gt = await readGroundTruth(annotations);
  const results = await readResults(dt, gt.images);
  return { coco: evaluateCoco(gt, results, { type }), voc: voc ? vocReport(gt, results) : undefined };
}
