/**
 * Softmax of x [N, K] over rows' entries (dim 1: classes) or columns' entries (dim 0: proposals), and its gradient
 * dx = y·(dy − Σ dy·y).
 *
 * One invocation takes a whole row or column: at the few thousand entries of a detection head, barriers would cost
 * more than the sums. CPU references: softmax.reference.ts.
 */
import { defineKernel, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '../kernel.ts';

const WORKGROUP = 64;

/** x [rows, columns]. */
export interface SoftmaxShape {
  /** N, the proposals. */
  readonly rows: number;
  /** K, the classes. */
  readonly columns: number;
  /** The dimension that sums to 1. */
  readonly dim: 0 | 1;
}

/** How many vectors there are, how long they are, and the strides between vectors and between their entries. */
function layout({ rows, columns, dim }: SoftmaxShape) {
  return dim === 0
    ? { vectors: columns, length: rows, between: 1, within: columns }
    : { vectors: rows, length: columns, between: columns, within: 1 };
}

function specify({ rows, columns, dim }: SoftmaxShape) {
  const { vectors, length, between, within } = layout({ rows, columns, dim });
  return {
    uniforms: { vectors: u32(vectors), length: u32(length), between: u32(between), within: u32(within) },
    grid: linearGrid(vectors, WORKGROUP),
    n: rows * columns,
  };
}

const LOOP = 'for (var j = first; j < end; j += u.within)';
const head = `${linearIndex(WORKGROUP)}
  if (i >= u.vectors) { return; }
  let first = i * u.between;
  let end = first + u.length * u.within;`;

/**
 * y = softmax of x [N, K] along `dim`: 1 makes rows sum to 1, 0 columns.
 * Binds x and y [N, K].
 */
export function softmax(shape: SoftmaxShape): Kernel<'x' | 'y'> {
  const { uniforms, grid, n } = specify(shape);
  return defineKernel({
    name: 'softmax.forward',
    bindings: { x: read(), y: write() },
    uniforms,
    grid,
    flops: 5 * n,
    bytes: 8 * n,
    source: () => wgsl`${head}
  var largest = x[first];
  ${LOOP} { largest = max(largest, x[j]); }
  var sum = 0.0;
  ${LOOP} {
    let e = exp(x[j] - largest);
    y[j] = e;
    sum += e;
  }
  let scale = 1.0 / sum;
  ${LOOP} { y[j] *= scale; }
}`,
  });
}

/**
 * dx (+)= y·(dy − Σ dy·y).
 * Binds dy, y and dx [N, K].
 */
export function softmaxBackward({
  accumulate,
  ...shape
}: SoftmaxShape & { accumulate: boolean }): Kernel<'dy' | 'y' | 'dx'> {
  const { uniforms, grid, n } = specify(shape);
  return defineKernel({
    name: 'softmax.backward',
    bindings: { dy: read(), y: read(), dx: write() },
    uniforms: { ...uniforms, accumulate: u32(accumulate ? 1 : 0) },
    grid,
    flops: 4 * n,
    bytes: 12 * n,
    source: () => wgsl`${head}
  var sum = 0.0;
  ${LOOP} { sum += dy[j] * y[j]; }
  ${LOOP} { dx[j] = y[j] * (dy[j] - sum) + select(0.0, dx[j], u.accumulate == 1u); }
}`,
  });
}
