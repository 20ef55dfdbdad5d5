/** Plain f64 references of the branch score kernels. */
import type { BranchShape } from './branch-scores.ts';

/** Elements of one group that share a softmax, or single elements for the sigmoid: [logit, score] positions. */
function* groups({
  firstRow,
  rows,
  columns,
  branches,
  stride,
}: BranchShape): Generator<{ sigmoid: boolean; at: [number, number][] }> {
  const blocks = 2 + 2 * branches;
  const position = (row: number, block: number, k: number): [number, number] => [
    ((firstRow + row) * blocks + block) * columns + k,
    block * stride + row * columns + k,
  ];
  const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
  for (let block = 0; block < blocks; block++) {
    if (block === 1) {
      for (const k of range(columns)) yield { sigmoid: false, at: range(rows).map((row) => position(row, block, k)) };
    } else {
      for (const row of range(rows)) {
        yield { sigmoid: block >= 2 + branches, at: range(columns).map((k) => position(row, block, k)) };
      }
    }
  }
}

/** Scores [2 + 2R, stride] of one image from the logits [rows of the batch, 2 + 2R, K]. */
export function branchScores(logits: ArrayLike<number>, shape: BranchShape): Float64Array {
  const scores = new Float64Array((2 + 2 * shape.branches) * shape.stride);
  for (const { sigmoid, at } of groups(shape)) {
    const largest = Math.max(...at.map(([from]) => logits[from]));
    const total = at.reduce((sum, [from]) => sum + Math.exp(logits[from] - largest), 0);
    for (const [from, to] of at) {
      scores[to] = sigmoid ? 1 / (1 + Math.exp(-logits[from])) : Math.exp(logits[from] - largest) / total;
    }
  }
  return scores;
}

/** The gradient to the logits; 0 in the rows of other images. `size` elements in all. */
export function branchScoresBackward(
  scores: ArrayLike<number>,
  dscores: ArrayLike<number>,
  shape: BranchShape,
  size: number,
): Float64Array {
  const dlogits = new Float64Array(size);
  for (const { sigmoid, at } of groups(shape)) {
    const dot = at.reduce((sum, [, to]) => sum + scores[to] * dscores[to], 0);
    for (const [from, to] of at) {
      dlogits[from] = scores[to] * (dscores[to] - (sigmoid ? scores[to] * dscores[to] : dot));
    }
  }
  return dlogits;
}
