import * as kernels from '@cim/kernels';
import { ShapeError } from '../errors.ts';
import type { Tape } from '../tape.ts';
import type { Tensor } from '../tensor.ts';

/**
 * Multi-label soft margin loss: the mean over logits and targets [B, C] (0 or 1) of the binary cross entropy of
 * σ(logit). `weight` is its factor in the differentiated total; the returned value [1] is without it.
 *
 * @throws ShapeError when the targets are not as many as the logits.
 */
export function multiLabelSoftMarginLoss(tape: Tape, logits: Tensor, targets: Tensor, weight = 1): Tensor {
  const { device } = tape;
  const n = logits.size;
  if (targets.size !== n) {
    throw new ShapeError(
      `multiLabelSoftMarginLoss needs a target per logit; got [${targets.shape}] for [${logits.shape}].`,
    );
  }
  const loss = device.empty([1]);
  device.run(kernels.multiLabelSoftMarginLoss({ n }), { logits, targets, loss });
  tape.recordLoss('multiLabelSoftMarginLoss', [logits], (sink) => {
    const { tensor: dlogits, accumulate } = sink.into(0);
    device.run(kernels.multiLabelSoftMarginLossBackward({ n, weight, accumulate }), { logits, targets, dlogits });
  });
  return loss;
}

/**
 * Cross entropy of logits [B, C] and class indices u32 [B], each below C: the losses of the rows, [B]. What is
 * differentiated is their mean times `weight`.
 *
 * @throws ShapeError unless the labels are u32, one a row.
 */
export function crossEntropyLoss(tape: Tape, logits: Tensor, labels: Tensor, weight = 1): Tensor {
  const { device } = tape;
  const [rows, columns] = logits.shape;
  if (logits.shape.length !== 2 || labels.size !== rows) {
    throw new ShapeError(`crossEntropyLoss needs a label per row; got [${labels.shape}] for [${logits.shape}].`);
  }
  const losses = device.empty([rows]);
  device.run(kernels.crossEntropyLoss({ rows, columns }), { logits, labels, losses });
  tape.recordLoss('crossEntropyLoss', [logits], (sink) => {
    const { tensor: dlogits, accumulate } = sink.into(0);
    const kernel = kernels.crossEntropyLossBackward({ rows, columns, weight, accumulate });
    device.run(kernel, { logits, labels, losses, dlogits });
  });
  return losses;
}

/**
 * Log-sum-exp pooling of x [B, C, H, W] to [B, C]: (1/r)·(ln Σ e^{r·x} − ln HW), r the sharpness.
 *
 * @throws ShapeError when x has not four dimensions.
 */
export function logSumExpPool(tape: Tape, x: Tensor, sharpness: number): Tensor {
  const { device } = tape;
  if (x.shape.length !== 4) throw new ShapeError(`logSumExpPool needs [B, C, H, W]; got [${x.shape}].`);
  const [batch, channels, height, width] = x.shape;
  const shape = { planes: batch * channels, area: height * width, sharpness };
  const y = device.empty([batch, channels]);
  device.run(kernels.logSumExpPool(shape), { x, y });
  return tape.record('logSumExpPool', [x], y, (sink, dy) => {
    const { tensor: dx, accumulate } = sink.into(0);
    device.run(kernels.logSumExpPoolBackward({ ...shape, accumulate }), { dy, x, y, dx });
  });
}
