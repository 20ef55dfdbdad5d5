/**
 * Multi-label soft margin loss (torch.nn.functional.multilabel_soft_margin_loss): the mean over n = B·C logits of
 * −t·ln σ(x) − (1−t)·ln σ(−x), t 0 or 1. CPU reference: loss.reference.ts.
 */
import { defineKernel, f32, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '../kernel.ts';
import { workgroupSum } from '../reduce/workgroup-sum.ts';
import { LOSS_WORKGROUP } from './probability.ts';

/**
 * Mean binary cross entropy of σ(logit) against the targets.
 * Binds logits and targets [n], loss [1].
 */
export function multiLabelSoftMarginLoss({ n }: { n: number }): Kernel<'logits' | 'targets' | 'loss'> {
  return defineKernel({
    name: 'loss.multiLabelSoftMargin',
    bindings: { logits: read(), targets: read(), loss: write() },
    uniforms: { n: u32(n) },
    grid: [1, 1, 1],
    flops: 6 * n,
    bytes: 8 * n,
    source: () => wgsl`${workgroupSum(LOSS_WORKGROUP)}
@compute @workgroup_size(${LOSS_WORKGROUP})
fn main(@builtin(local_invocation_index) local: u32) {
  var sum = 0.0;
  for (var i = local; i < u.n; i += ${LOSS_WORKGROUP}u) {
    let x = logits[i];
    sum += max(x, 0.0) - x * targets[i] + log(1.0 + exp(-abs(x)));
  }
  let total = workgroupSum(sum, local);
  if (local == 0u) { loss[0] = total / f32(u.n); }
}`,
  });
}

/**
 * dlogits (+)= weight × gradient: weight·(σ(x) − t)/n.
 * Binds logits, targets and dlogits [n].
 */
export function multiLabelSoftMarginLossBackward({
  n,
  weight,
  accumulate,
}: {
  n: number;
  weight: number;
  accumulate: boolean;
}): Kernel<'logits' | 'targets' | 'dlogits'> {
  return defineKernel({
    name: 'loss.multiLabelSoftMarginBackward',
    bindings: { logits: read(), targets: read(), dlogits: write() },
    uniforms: { n: u32(n), weight: f32(weight / n), accumulate: u32(accumulate ? 1 : 0) },
    grid: linearGrid(n, 64),
    flops: 6 * n,
    bytes: 12 * n,
    source: () => wgsl`${linearIndex(64)}
  if (i >= u.n) { return; }
  // e^-|x| never overflows.
  let e = exp(-abs(logits[i]));
  let p = select(e, 1.0, logits[i] >= 0.0) / (1.0 + e);
  dlogits[i] = u.weight * (p - targets[i]) + select(0.0, dlogits[i], u.accumulate == 1u);
}`,
  });
}
