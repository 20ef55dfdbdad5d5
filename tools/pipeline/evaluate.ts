/** Scores of a run's results on the validation split. */

import type { ProposalQuality } from '@cim/model/detect/upper-bound';
import { evaluateCoco } from '@cim/model/evaluate/coco';
import type { CocoJson, CocoResult } from '@cim/model/evaluate/coco-json';
import { vocReport } from '@cim/model/evaluate/voc-report';
import type { RunSummary, StrategyScores } from './summary.ts';

/** Mask AP of results, in percent. */
export function scoreResults(
  truth: CocoJson,
  results: readonly CocoResult[],
  strategy: string,
  seed: number,
): StrategyScores {
  const { meanAp, byCategory } = vocReport(truth, results);
  const [mAP25, mAP50, mAP70, mAP75] = meanAp.map((ap) => 100 * ap);
  const [ap] = evaluateCoco(truth, results, { type: 'segm' }).stats;
  return {
    strategy,
    seed,
    mAP25,
    mAP50,
    mAP70,
    mAP75,
    AP: 100 * Math.max(0, ap),
    byClass: byCategory.map((category) => ({ ...category, ap: category.ap.map((value) => 100 * value) })),
  };
}

/** How well the proposals cover the objects, whatever a network makes of them. */
export const proposalSummary = (
  { upperBound, meanBestIou, recall50, recall70 }: ProposalQuality,
  perImage: number,
): Omit<RunSummary['proposals'], 'secondsPerImage'> => ({
  meanBestIoU: meanBestIou,
  recall50,
  recall70,
  upperBoundMAP50: 100 * upperBound.meanAp[1],
  perImage,
});
