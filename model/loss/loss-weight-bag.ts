import * as kernels from '@cim/kernels';
import { ShapeError, type Tape, type Tensor } from '@cim/runtime';
import type { Mined } from '../mining/index.ts';
import { lossValue } from './value.ts';

/**
 * Bag loss of scores [N, C+1] in [0, 1] with mined row weights (loss_weight_bag_loss, lib/modeling/heads.py), with
 * labels [C]: the bag term of `clsIouLoss` on its own.
 * @param weight factor in the differentiated total; the returned value [1] is without it.
 * @throws ShapeError when the tensors do not belong to the same proposals and classes.
 */
export function lossWeightBagLoss(
  tape: Tape,
  scores: Tensor,
  { pseudoLabels, lossWeights }: Pick<Mined, 'pseudoLabels' | 'lossWeights'>,
  labels: Tensor,
  weight: number,
): Tensor {
  const { device } = tape;
  const [n, columns] = scores.shape;
  if (labels.size !== columns - 1 || pseudoLabels.size !== n) {
    throw new ShapeError(
      `lossWeightBagLoss needs scores [N, C+1], labels [C] and N pseudo labels; ` +
        `got [${scores.shape}], [${labels.shape}] and [${pseudoLabels.shape}].`,
    );
  }
  const state = device.empty([1 + 2 * columns]);
  device.run(kernels.lossWeightBagLoss({ n, columns }), { scores, pseudoLabels, lossWeights, labels, state });
  return lossValue(tape, 'lossWeightBagLoss', [scores], state, 1, (sink) => {
    const { tensor: dscores, accumulate } = sink.into(0);
    device.run(kernels.lossWeightBagLossBackward({ n, columns, weight, accumulate }), { state, dscores });
  });
}
