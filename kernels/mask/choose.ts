/** The ways to compute the overlap maps of mining. */
import { type Candidate, hasLanes } from '../candidate.ts';
import { step } from '../plan.ts';
import type { Target } from '../target.ts';
import { pairwiseOverlap } from './mask.ts';
import {
  describeMasks,
  gatherBlocks,
  type OverlapShape,
  orderMasks,
  overlapLanes,
  overlapScratch,
} from './overlap-lanes.ts';

/** The best for the target first. Operands: packed u32 [N, words], iou and containment f32 [N, N]. */
export function* overlapCandidates(s: OverlapShape, { subgroupSize }: Target): Generator<Candidate<void>> {
  const maps = { packed: 'packed', iou: 'iou', containment: 'containment' };
  if (hasLanes(subgroupSize)) {
    yield {
      name: 'mask.overlap.lanes',
      plan: () => ({
        steps: [
          step(describeMasks(s), { packed: 'packed', touched: 'touched', areas: 'areas', keys: 'keys' }),
          step(orderMasks(s, subgroupSize), { keys: 'keys', order: 'order' }),
          step(gatherBlocks(s), { touched: 'touched', order: 'order', groups: 'groups' }),
          step(overlapLanes(s, subgroupSize), { ...maps, areas: 'areas', order: 'order', groups: 'groups' }),
        ],
        scratch: {},
        words: overlapScratch(s),
      }),
    };
  }
  const words = Math.ceil((s.width * s.height) / 32);
  yield {
    name: 'mask.overlap.tiled',
    plan: () => ({ steps: [step(pairwiseOverlap({ n: s.n, words }), maps)], scratch: {} }),
  };
}
