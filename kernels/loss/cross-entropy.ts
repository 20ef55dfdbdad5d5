/**
 * Cross entropy of logits x [rows, columns] and class indices t [rows] (torch.nn.functional.cross_entropy without
 * reduction): the loss of a row is ln Σ e^x − x[t]. CPU reference: loss.reference.ts.
 */
import { defineKernel, f32, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '../kernel.ts';
import { workgroupSum } from '../reduce/workgroup-sum.ts';
import { LOSS_WORKGROUP } from './probability.ts';

/** Logits [rows, columns]. */
export interface CrossEntropyShape {
  /** Images; at most 65535. */
  readonly rows: number;
  /** Classes. */
  readonly columns: number;
}

/**
 * losses [rows]; one workgroup a row. Every label must be below `columns`.
 * Binds logits [rows, columns], labels u32 [rows], losses [rows].
 */
export function crossEntropyLoss({ rows, columns }: CrossEntropyShape): Kernel<'logits' | 'labels' | 'losses'> {
  const n = rows * columns;
  return defineKernel({
    name: 'loss.crossEntropy',
    bindings: { logits: read(), labels: read('u32'), losses: write() },
    uniforms: { columns: u32(columns) },
    grid: [rows, 1, 1],
    flops: 4 * n,
    bytes: 4 * (n + 2 * rows),
    source: () => wgsl`${workgroupSum(LOSS_WORKGROUP)}
var<workgroup> maxima: array<f32, ${LOSS_WORKGROUP}>;

@compute @workgroup_size(${LOSS_WORKGROUP})
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = workgroup.x;
  let first = row * u.columns;
  let end = first + u.columns;
  var largest = logits[first];
  for (var i = first + local; i < end; i += ${LOSS_WORKGROUP}u) { largest = max(largest, logits[i]); }
  maxima[local] = largest;
  workgroupBarrier();
  for (var k = 0u; k < ${LOSS_WORKGROUP}u; k++) { largest = max(largest, maxima[k]); }
  var sum = 0.0;
  for (var i = first + local; i < end; i += ${LOSS_WORKGROUP}u) { sum += exp(logits[i] - largest); }
  let total = workgroupSum(sum, local);
  if (local == 0u) { losses[row] = log(total) + (largest - logits[first + labels[row]]); }
}`,
  });
}

/**
 * dlogits (+)= weight · (softmax(x) − [column = t]) / rows: the gradient of the weighted mean of the losses.
 * Binds logits and dlogits [rows, columns], labels u32 [rows], losses [rows].
 */
export function crossEntropyLossBackward({
  rows,
  columns,
  weight,
  accumulate,
}: CrossEntropyShape & { weight: number; accumulate: boolean }): Kernel<'logits' | 'labels' | 'losses' | 'dlogits'> {
  const n = rows * columns;
  return defineKernel({
    name: 'loss.crossEntropyBackward',
    bindings: { logits: read(), labels: read('u32'), losses: read(), dlogits: write() },
    uniforms: { n: u32(n), columns: u32(columns), weight: f32(weight / rows), accumulate: u32(accumulate ? 1 : 0) },
    grid: linearGrid(n, 64),
    flops: 4 * n,
    bytes: 8 * n,
    source: () => wgsl`${linearIndex(64)}
  if (i >= u.n) { return; }
  let row = i / u.columns;
  let correct = row * u.columns + labels[row];
  // ln Σ e^x is the loss and x[t] together, and nowhere below x.
  let probability = exp(min(0.0, (logits[i] - logits[correct]) - losses[row]));
  let gradient = u.weight * (probability - select(0.0, 1.0, i == correct));
  dlogits[i] = gradient + select(0.0, dlogits[i], u.accumulate == 1u);
}`,
  });
}
