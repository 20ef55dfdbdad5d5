/**
 * The losses of a refinement branch (cls_iou_loss, lib/modeling/heads.py) over N proposals and K = C+1 columns,
 * background first. With p = clamp(cls), q = clamp(iou), row labels l (−1 ignored), IoU labels t, row weights w
 * (times λ) and image labels y (background always positive):
 *
 * - cls  −Σ_n w[n]·ln p[n, l[n]] / (rows with l ≥ 0)
 * - iou  Σ_n w[n]·½(q[n, l[n]] − t[n])² / (rows with l > 0): smooth L1, |q − t| being below 1
 * - bag  the loss of loss-weight-bag.ts on the scores s = p·q
 *
 * iou [N, 1] is class-agnostic: then s[n, 0] = p[n, 0]. Where nothing was mined (count = 0) the losses and gradients
 * are 0. CPU reference: loss.reference.ts.
 */
import { defineKernel, f32, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '../kernel.ts';
import { workgroupSum } from '../reduce/workgroup-sum.ts';
import { lossWeightBag } from './loss-weight-bag.ts';
import { clampScore, LOSS_WORKGROUP } from './probability.ts';

/** Sizes and factors of the losses of a refinement branch. */
export interface ClsIouShape {
  /** Proposals. */
  readonly n: number;
  /** C+1. */
  readonly columns: number;
  /** C+1, or 1 when class-agnostic. */
  readonly iouColumns: number;
  /** Whether the bag loss scores by p·q, else by p alone. */
  readonly bagUsesIou: boolean;
  /** λ. */
  readonly lambda: number;
}

/**
 * Words of `state`: the three losses, their factors (1/rows, 1/foreground rows, 1; 0 if nothing was mined), the bag's
 * rows and slopes.
 */
export const clsIouStateSize = (columns: number): number => BAG_SLOTS + 2 * columns;
const BAG_SLOTS = 6;

/** WGSL `bagFactor(row, column)`: ∂s/∂p. */
const bagFactor = `
fn bagFactor(row: u32, column: u32) -> f32 {
  if (u.bagUsesIou == 0u) { return 1.0; }
  if (u.iouColumns > 1u) { return clampScore(iou[row * u.columns + column]); }
  return select(clampScore(iou[row]), 1.0, column == 0u);
}`;

const shapeUniforms = ({ n, columns, iouColumns, bagUsesIou, lambda }: ClsIouShape) => ({
  n: u32(n),
  columns: u32(columns),
  iouColumns: u32(iouColumns),
  bagUsesIou: u32(bagUsesIou ? 1 : 0),
  lambda: f32(lambda),
});

/**
 * state [{@link clsIouStateSize}] = losses (cls, iou, bag, unweighted) and what the gradient needs.
 * Binds cls [N, K], iou [N, K] or [N, 1], pseudoLabels i32 [N], pseudoIou [N], lossWeights [N], count u32 [1] (rows
 * labelled, 0: nothing was mined), labels [C] of 0 or 1, and state.
 */
export function clsIouLoss(
  shape: ClsIouShape,
): Kernel<'cls' | 'iou' | 'pseudoLabels' | 'pseudoIou' | 'lossWeights' | 'count' | 'labels' | 'state'> {
  const elements = shape.n * shape.columns;
  return defineKernel({
    name: 'loss.clsIou',
    bindings: {
      cls: read(),
      iou: read(),
      pseudoLabels: read('i32'),
      pseudoIou: read(),
      lossWeights: read(),
      count: read('u32'),
      labels: read(),
      state: write(),
    },
    uniforms: shapeUniforms(shape),
    grid: [1, 1, 1],
    flops: 4 * elements,
    bytes: 8 * elements,
    source: () => wgsl`${workgroupSum(LOSS_WORKGROUP, 'vec4f')}${clampScore}${lossWeightBag}${bagFactor}
fn score(row: u32, column: u32) -> f32 { return clampScore(cls[row * u.columns + column]) * bagFactor(row, column); }

@compute @workgroup_size(${LOSS_WORKGROUP})
fn main(@builtin(local_invocation_index) local: u32) {
  // Rows: Σ cls terms, Σ iou terms, labelled rows, foreground rows.
  var rows = vec4f();
  for (var row = local; row < u.n; row += ${LOSS_WORKGROUP}u) {
    let label = pseudoLabels[row];
    if (label < 0) { continue; }
    let weight = u.lambda * lossWeights[row];
    rows.x -= weight * log(clampScore(cls[row * u.columns + u32(label)]));
    rows.z += 1.0;
    if (label > 0) {
      let index = select(row, row * u.columns + u32(label), u.iouColumns > 1u);
      let error = clampScore(iou[index]) - pseudoIou[row];
      rows.y += weight * 0.5 * error * error;
      rows.w += 1.0;
    }
  }
  let sums = workgroupSum(rows, local);

  let bag = lossWeightBag(local, ${BAG_SLOTS}u);

  if (local == 0u) {
    let mined = count[0] > 0u;
    let clsFactor = select(0.0, 1.0 / max(sums.z, 1.0), mined);
    let iouFactor = select(0.0, 1.0 / max(sums.w, 1.0), mined);
    state[0] = sums.x * clsFactor;
    state[1] = sums.y * iouFactor;
    state[2] = select(0.0, bag, mined);
    state[3] = clsFactor;
    state[4] = iouFactor;
    state[5] = select(0.0, 1.0, mined);
  }
}`,
  });
}

/**
 * dcls, diou (+)= gradients of weights.cls·cls + weights.iou·iou + weights.bag·bag, from the `state` of
 * {@link clsIouLoss}.
 * Binds cls [N, K], iou [N, K] or [N, 1], pseudoLabels i32 [N], pseudoIou [N], lossWeights [N], state [{@link
 * clsIouStateSize}], dcls and diou shaped like cls and iou, [N, K].
 */
export function clsIouLossBackward({
  weights,
  accumulateCls,
  accumulateIou,
  ...shape
}: ClsIouShape & {
  weights: { readonly cls: number; readonly iou: number; readonly bag: number };
  accumulateCls: boolean;
  accumulateIou: boolean;
}): Kernel<'cls' | 'iou' | 'pseudoLabels' | 'pseudoIou' | 'lossWeights' | 'state' | 'dcls' | 'diou'> {
  const elements = shape.n * shape.columns;
  return defineKernel({
    name: 'loss.clsIouBackward',
    bindings: {
      cls: read(),
      iou: read(),
      pseudoLabels: read('i32'),
      pseudoIou: read(),
      lossWeights: read(),
      state: read(),
      dcls: write(),
      diou: write(),
    },
    uniforms: {
      ...shapeUniforms(shape),
      clsWeight: f32(weights.cls),
      iouWeight: f32(weights.iou),
      bagWeight: f32(weights.bag),
      accumulateCls: u32(accumulateCls ? 1 : 0),
      accumulateIou: u32(accumulateIou ? 1 : 0),
    },
    grid: linearGrid(elements, 64),
    flops: 12 * elements,
    bytes: 16 * elements,
    source: () => wgsl`${clampScore}${bagFactor}
/** Gradient of the weighted bag loss to s[row, column]. */
fn bagSlope(row: u32, column: u32) -> f32 {
  let slot = ${BAG_SLOTS}u + 2u * column;
  return select(0.0, u.bagWeight * state[5] * state[slot + 1u], u32(state[slot]) == row);
}
/** Gradient of the weighted iou loss to the clamped iou of a foreground row. */
fn iouSlope(row: u32, probability: f32) -> f32 {
  return u.iouWeight * state[4] * u.lambda * lossWeights[row] * (probability - pseudoIou[row]);
}
${linearIndex(64)}
  if (i >= u.n * u.columns) { return; }
  let row = i / u.columns;
  let column = i % u.columns;
  let label = pseudoLabels[row];
  let labelled = label == i32(column);
  let p = clampScore(cls[i]);
  let slope = bagSlope(row, column);

  var toCls = slope * bagFactor(row, column);
  if (labelled) { toCls -= u.clsWeight * state[3] * u.lambda * lossWeights[row] / p; }
  dcls[i] = passes(cls[i]) * toCls + select(0.0, dcls[i], u.accumulateCls == 1u);

  if (u.iouColumns > 1u) {
    var toIou = select(0.0, slope * p, u.bagUsesIou == 1u);
    if (labelled && column > 0u) { toIou += iouSlope(row, clampScore(iou[i])); }
    diou[i] = passes(iou[i]) * toIou + select(0.0, diou[i], u.accumulateIou == 1u);
  } else if (column == 0u) {
    var toIou = 0.0;
    if (u.bagUsesIou == 1u) {
      for (var c = 1u; c < u.columns; c++) { toIou += bagSlope(row, c) * clampScore(cls[i + c]); }
    }
    if (label > 0) { toIou += iouSlope(row, clampScore(iou[row])); }
    diou[row] = passes(iou[row]) * toIou + select(0.0, diou[row], u.accumulateIou == 1u);
  }
}`,
  });
}
