/** The ways to compute the overlap maps of mining. */
import { type Candidate, hasLanes } from '../candidate.ts';
import { step } from '../plan.ts';
import type { Target } from '../target.ts';
import { pairwiseOverlap } from './mask.ts';
import {
  countBlocks,
  describeMasks,
  listBlocks,
  type OverlapShape,
  orderMasks,
  overlapRatios,
  overlapScratch,
} from './overlap-lanes.ts';

const LANES = 'mask.overlap.lanes';
const TILED = 'mask.overlap.tiled';

/** The best for the target first. Operands: packed u32 [N, words], iou and containment f32 [N, N]. */
export function* overlapCandidates(s: OverlapShape, { subgroupSize, maxBinding }: Target): Generator<Candidate<void>> {
  const maps = { iou: 'iou', containment: 'containment' };
  const scratch = overlapScratch(s);
  if (hasLanes(subgroupSize) && 4 * scratch.lists <= maxBinding) {
    yield {
      name: LANES,
      plan: () => ({
        steps: [
          step(describeMasks(s), { packed: 'packed', touched: 'touched', keys: 'keys' }),
          step(orderMasks(s, subgroupSize), { keys: 'keys', order: 'order' }),
          step(listBlocks(s), { touched: 'touched', order: 'order', lists: 'lists', counts: 'counts' }),
          step(countBlocks(s, subgroupSize), { packed: 'packed', order: 'order', lists: 'lists', counts: 'counts' }),
          step(overlapRatios(s), { order: 'order', counts: 'counts', ...maps }),
        ],
        scratch: {},
        words: scratch,
      }),
    };
  }
  const words = Math.ceil((s.width * s.height) / 32);
  yield {
    name: TILED,
    plan: () => ({ steps: [step(pairwiseOverlap({ n: s.n, words }), { packed: 'packed', ...maps })], scratch: {} }),
  };
}
