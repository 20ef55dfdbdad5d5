import { type CocoEvaluation, evaluateCoco } from '@cim/model/evaluate/coco';
import { type VocReport, vocReport } from '@cim/model/evaluate/voc-report';
import { readGroundTruth } from '../datasets/read-ground-truth.ts';
import { parseResults } from '../datasets/results.ts';
import { readText } from '../formats/json.ts';

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
  // Results are read and unpacked while annotations are parsed.
  const [gt, text] = await Promise.all([readGroundTruth(annotations), readText(dt)]);
  const results = parseResults(text, dt, gt.images);
  return { coco: evaluateCoco(gt, results, { type }), voc: voc ? vocReport(gt, results) : undefined };
}
