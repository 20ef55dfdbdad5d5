import * as kernels from '@cim/kernels';
import { ShapeError, type Tape, type Tensor } from '@cim/runtime';
import { lossValue } from './value.ts';

/**
 * Proposal cluster learning on class probabilities cls [N, C+1] (PCL_loss, lib/modeling/heads.py; the factor 12
 * included).
 * @param clusters [N, C+1] f32, at most one cluster number a row, in the column of the cluster's class.
 * @param weight factor in the differentiated total; the returned value [1] is without it.
 * @throws ShapeError when cls and clusters are not of one shape.
 */
export function pclLoss(tape: Tape, cls: Tensor, clusters: Tensor, weight: number): Tensor {
  const { device } = tape;
  const [n, columns] = cls.shape;
  if (clusters.size !== cls.size) {
    throw new ShapeError(`pclLoss needs cls and clusters of [N, C+1]; got [${cls.shape}] and [${clusters.shape}].`);
  }
  const state = device.empty([kernels.pclStateSize({ n, columns })]);
  device.run(kernels.pclLoss({ n, columns }), { cls, clusters, state });
  return lossValue(tape, 'pclLoss', [cls], state, 1, (sink) => {
    const { tensor: dcls, accumulate } = sink.into(0);
    device.run(kernels.pclLossBackward({ n, columns, weight, accumulate }), { state, dcls });
  });
}
