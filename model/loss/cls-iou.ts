import * as kernels from '@cim/kernels';
import { ShapeError, type Tape, type Tensor } from '@cim/runtime';
import type { Mined } from '../mining/index.ts';
import { lossValue } from './value.ts';

/** Scores of a refinement branch and what they are compared with. */
export interface ClsIouInputs {
  /** [N, C+1] class probabilities, background first. */
  readonly cls: Tensor;
  /** [N, C+1], or class-agnostic [N, 1]: probable IoU with the instance. */
  readonly iou: Tensor;
  /** What the branch learns from. */
  readonly mined: Pick<Mined, 'pseudoLabels' | 'pseudoIou' | 'lossWeights' | 'count'>;
  /** [C], 0 or 1. */
  readonly labels: Tensor;
}

/** Factors of the losses. */
export interface ClsIouOptions {
  /** λ, the factor of the mined loss weights. */
  readonly lambda: number;
  /** Factors of the three losses in the differentiated total. */
  readonly weights: { readonly cls: number; readonly iou: number; readonly bag: number };
  /** Whether the bag loss scores proposals by cls·iou, as CIM does, or by cls alone (del_iou_branch). */
  readonly useIou?: boolean;
}

/**
 * The losses of a refinement branch against mined labels (cls_iou_loss, lib/modeling/heads.py;
 * kernels/loss/cls-iou.ts has the formulas). Returns [3]: classification, IoU and bag loss, unweighted. All are 0,
 * and so are their gradients, where nothing was mined.
 *
 * @throws ShapeError when the tensors do not belong to the same proposals and classes.
 */
export function clsIouLoss(
  tape: Tape,
  { cls, iou, mined, labels }: ClsIouInputs,
  { lambda, weights, useIou = true }: ClsIouOptions,
): Tensor {
  const { device } = tape;
  const { pseudoLabels, pseudoIou, lossWeights, count } = mined;
  const [n, columns] = cls.shape;
  const iouColumns = iou.size / n;
  if (labels.size !== columns - 1 || (iouColumns !== columns && iouColumns !== 1) || pseudoLabels.size !== n) {
    throw new ShapeError(
      `clsIouLoss needs cls [N, C+1], iou [N, C+1] or [N, 1], labels [C] and N pseudo labels; ` +
        `got [${cls.shape}], [${iou.shape}], [${labels.shape}] and [${pseudoLabels.shape}].`,
    );
  }
  const shape = { n, columns, iouColumns, bagUsesIou: useIou, lambda };
  const state = device.empty([kernels.clsIouStateSize(columns)]);
  const branch = { cls, iou, pseudoLabels, pseudoIou, lossWeights, state };
  device.run(kernels.clsIouLoss(shape), { ...branch, count, labels });
  return lossValue(tape, 'clsIouLoss', [cls, iou], state, 3, (sink) => {
    const [toCls, toIou] = [sink.into(0), sink.into(1)];
    const accumulate = { accumulateCls: toCls.accumulate, accumulateIou: toIou.accumulate };
    device.run(kernels.clsIouLossBackward({ ...shape, weights, ...accumulate }), {
      ...branch,
      dcls: toCls.tensor,
      diou: toIou.tensor,
    });
  });
}
