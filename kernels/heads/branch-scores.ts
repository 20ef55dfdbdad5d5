/**
 * Probabilities of all branches from their logits, in one dispatch (cls_iou_model.forward, lib/modeling/heads.py).
 *
 * The logits of R refinement branches and the anti-noise branch stand side by side, [rows, 2 + 2R, K]: classifier,
 * detector, R classifications, R mask IoU estimates, K columns each. The scores come out block by block,
 * [2 + 2R] × [N, K], `stride` elements from block to block, for the N rows from `firstRow` on (one image's proposals):
 * softmax over columns, for the detector over the rows, sigmoid for the IoU estimates.
 *
 * CPU reference: branch-scores.reference.ts.
 */
import { defineKernel, type Kernel, read, u32, wgsl, write } from '../kernel.ts';

/** Where the logits of one image stand among those of a batch, and where its scores go. */
export interface BranchShape {
  /** First row of the image in `logits`, and its number of rows N. */
  readonly firstRow: number;
  /** N, the proposals of the image. */
  readonly rows: number;
  /** K, the classes and the background. */
  readonly columns: number;
  /** R, the refinement branches. */
  readonly branches: number;
  /** Elements from one block of scores to the next; at least N·K. */
  readonly stride: number;
}

const WORKGROUP = 64;
const blocksOf = (branches: number): number => 2 + 2 * branches;
/** Workgroups for all blocks but the detector's, an invocation a row; the detector takes one more a column. */
const rowGroups = ({ rows, branches }: BranchShape): number => Math.ceil((rows * (blocksOf(branches) - 1)) / WORKGROUP);

const describe = (shape: BranchShape) => {
  const groups = rowGroups(shape);
  return {
    uniforms: {
      firstRow: u32(shape.firstRow),
      rows: u32(shape.rows),
      columns: u32(shape.columns),
      branches: u32(shape.branches),
      stride: u32(shape.stride),
      rowGroups: u32(groups),
    },
    grid: [shape.rows === 0 ? 0 : groups + shape.columns, 1, 1] as const,
    flops: 5 * shape.rows * shape.columns * blocksOf(shape.branches),
  };
};

/** WGSL shared by both directions. */
const common = wgsl`
var<workgroup> partial: array<f32, ${WORKGROUP}>;

fn logitAt(row: u32, block: u32, column: u32) -> u32 {
  return ((u.firstRow + row) * (2u + 2u * u.branches) + block) * u.columns + column;
}
fn scoreAt(row: u32, block: u32, column: u32) -> u32 { return block * u.stride + row * u.columns + column; }
// The blocks but the detector's.
fn blockOf(other: u32) -> u32 { return other + select(0u, 1u, other >= 1u); }
fn isSigmoid(block: u32) -> bool { return block >= 2u + u.branches; }
`;

/**
 * Softmax and sigmoid of one image's logits (cls_iou_model.forward, lib/modeling/heads.py).
 * Binds logits [rows of the batch, 2 + 2R, K] and scores [2 + 2R, `stride`], of each block the first N·K.
 */
export function branchScores(shape: BranchShape): Kernel<'logits' | 'scores'> {
  return defineKernel({
    ...describe(shape),
    name: 'heads.branchScores',
    bindings: { logits: read(), scores: write() },
    bytes: 8 * shape.rows * shape.columns * blocksOf(shape.branches),
    source: () => wgsl`${common}
fn rowScores(item: u32) {
  let others = 1u + 2u * u.branches;
  let row = item / others;
  if (row >= u.rows) { return; }
  let block = blockOf(item % others);
  if (isSigmoid(block)) {
    for (var k = 0u; k < u.columns; k++) {
      let x = logits[logitAt(row, block, k)];
      let e = exp(-abs(x));
      scores[scoreAt(row, block, k)] = select(e, 1.0, x >= 0.0) / (1.0 + e);
    }
    return;
  }
  var largest = logits[logitAt(row, block, 0u)];
  for (var k = 1u; k < u.columns; k++) { largest = max(largest, logits[logitAt(row, block, k)]); }
  var total = 0.0;
  for (var k = 0u; k < u.columns; k++) { total += exp(logits[logitAt(row, block, k)] - largest); }
  for (var k = 0u; k < u.columns; k++) {
    scores[scoreAt(row, block, k)] = exp(logits[logitAt(row, block, k)] - largest) / total;
  }
}

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  if (group.x < u.rowGroups) {
    rowScores(group.x * ${WORKGROUP}u + lane);
    return;
  }
  // The detector: a workgroup a column.
  let k = group.x - u.rowGroups;
  var largest = logits[logitAt(0u, 1u, k)];
  for (var n = lane; n < u.rows; n += ${WORKGROUP}u) { largest = max(largest, logits[logitAt(n, 1u, k)]); }
  partial[lane] = largest;
  workgroupBarrier();
  for (var i = 0u; i < ${WORKGROUP}u; i++) { largest = max(largest, partial[i]); }
  workgroupBarrier();
  var own = 0.0;
  for (var n = lane; n < u.rows; n += ${WORKGROUP}u) { own += exp(logits[logitAt(n, 1u, k)] - largest); }
  partial[lane] = own;
  workgroupBarrier();
  var total = 0.0;
  for (var i = 0u; i < ${WORKGROUP}u; i++) { total += partial[i]; }
  for (var n = lane; n < u.rows; n += ${WORKGROUP}u) {
    scores[scoreAt(n, 1u, k)] = exp(logits[logitAt(n, 1u, k)] - largest) / total;
  }
}`,
  });
}

/**
 * dlogits += the gradient of {@link branchScores}; only the image's rows are touched.
 * Binds scores and dscores [2 + 2R, `stride`], dlogits [rows of the batch, 2 + 2R, K].
 */
export function branchScoresBackward(shape: BranchShape): Kernel<'scores' | 'dscores' | 'dlogits'> {
  return defineKernel({
    ...describe(shape),
    name: 'heads.branchScoresBackward',
    bindings: { scores: read(), dscores: read(), dlogits: write() },
    bytes: 12 * shape.rows * shape.columns * blocksOf(shape.branches),
    source: () => wgsl`${common}
fn rowGradients(item: u32) {
  let others = 1u + 2u * u.branches;
  let row = item / others;
  if (row >= u.rows) { return; }
  let block = blockOf(item % others);
  // Softmax: y·(g − Σ g·y). Sigmoid: y·(1 − y)·g, which is y·(g − y·g).
  var dot = 0.0;
  for (var k = 0u; k < u.columns; k++) {
    let at = scoreAt(row, block, k);
    dot += dscores[at] * scores[at];
  }
  for (var k = 0u; k < u.columns; k++) {
    let at = scoreAt(row, block, k);
    let shift = select(dot, dscores[at] * scores[at], isSigmoid(block));
    dlogits[logitAt(row, block, k)] += scores[at] * (dscores[at] - shift);
  }
}

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  if (group.x < u.rowGroups) {
    rowGradients(group.x * ${WORKGROUP}u + lane);
    return;
  }
  // The detector: a workgroup a column.
  let k = group.x - u.rowGroups;
  var own = 0.0;
  for (var n = lane; n < u.rows; n += ${WORKGROUP}u) {
    let at = scoreAt(n, 1u, k);
    own += dscores[at] * scores[at];
  }
  partial[lane] = own;
  workgroupBarrier();
  var dot = 0.0;
  for (var i = 0u; i < ${WORKGROUP}u; i++) { dot += partial[i]; }
  for (var n = lane; n < u.rows; n += ${WORKGROUP}u) {
    let at = scoreAt(n, 1u, k);
    dlogits[logitAt(n, 1u, k)] += scores[at] * (dscores[at] - dot);
  }
}`,
  });
}
