import { clipBoxes, cropMaskArea, type PackedMasks } from '@cim/model/masks/index';
import { packProposals, proposalBoxes, proposalMask } from '@cim/model/proposals/masks';
import type { Proposals } from '@cim/model/proposals/proposals';
import { REGION_SIZE } from '@cim/model/region/mask-fuse';
import type { HostProposals } from '@cim/model/train/sample';

export const packedMasks = (proposals: Proposals): PackedMasks => ({
  words: packProposals(proposals),
  count: proposals.count,
  width: proposals.width,
  height: proposals.height,
});

/** Proposals as the network takes them. */
export function networkProposals(proposals: Proposals): HostProposals {
  const { width, height, count } = proposals;
  const boxes = proposalBoxes(proposals);
  const regionMasks = new Float32Array(count * REGION_SIZE ** 2);
  for (let n = 0; n < count; n++) {
    const [x1, y1, x2, y2] = boxes.subarray(4 * n, 4 * n + 4);
    regionMasks.set(cropMaskArea(proposalMask(proposals, n), width, [x1, y1, x2, y2]), n * REGION_SIZE ** 2);
  }
  return { masks: packedMasks(proposals), boxes: clipBoxes(boxes, width, height), regionMasks };
}
