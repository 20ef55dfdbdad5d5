import * as kernels from '@cim/kernels';
import { ShapeError, type Tape, type Tensor } from '@cim/runtime';
import { lossValue } from './value.ts';

/**
 * Multiple instance loss of the anti-noise branch (mil_bag_loss, lib/modeling/heads.py): cls and det [N, C+1] or [N,
 * C], labels [C].
 * @param weight factor in the differentiated total; the returned value [1] is without it.
 * @throws ShapeError when the tensors do not belong to the same proposals and classes.
 */
export function milBagLoss(tape: Tape, cls: Tensor, det: Tensor, labels: Tensor, weight: number): Tensor {
  const { device } = tape;
  const [n, columns] = cls.shape;
  const classes = labels.size;
  if (det.size !== cls.size || (columns !== classes && columns !== classes + 1)) {
    throw new ShapeError(
      `milBagLoss needs cls and det of [N, C+1] or [N, C] and labels [C]; got [${cls.shape}], [${det.shape}] and [${labels.shape}].`,
    );
  }
  const state = device.empty([1 + columns]);
  device.run(kernels.milBagLoss({ n, columns, classes }), { cls, det, labels, state });
  return lossValue(tape, 'milBagLoss', [cls, det], state, 1, (sink) => {
    const [toCls, toDet] = [sink.into(0), sink.into(1)];
    const accumulate = { accumulateCls: toCls.accumulate, accumulateDet: toDet.accumulate };
    device.run(kernels.milBagLossBackward({ n, columns, weight, ...accumulate }), {
      cls,
      det,
      state,
      dcls: toCls.tensor,
      ddet: toDet.tensor,
    });
  });
}
