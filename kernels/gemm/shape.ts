/** C [m,n] = op(A)·op(B), all row-major f32: op(A) is [m,k], op(B) is [k,n]. */
export interface GemmShape {
  /** Rows of C. */
  readonly m: number;
  /** Columns of C. */
  readonly n: number;
  /** Length of the sums. */
  readonly k: number;
  /** A is stored [k,m]. */
  readonly transposeA?: boolean;
  /** B is stored [n,k]. */
  readonly transposeB?: boolean;
}

/** A product for each of `count` pairs of matrices. */
export interface GemmBatch {
  /** Products, and matrices C [count,m,n]. */
  readonly count: number;
  /** Elements from one A to the next; 0 where all share one. */
  readonly strideA: number;
  /** Elements from one B to the next; 0 where all share one. */
  readonly strideB: number;
}

/** What follows the product: C = max(0, product + bias [n]) (+ C). */
export interface GemmEpilogue {
  /** Adds bias [n] to every row. */
  readonly bias?: boolean;
  /** Passes the sum through max(0, ·). */
  readonly relu?: boolean;
  /** Adds the result to what C holds. */
  readonly accumulate?: boolean;
}

/** Floating point operations of the product, a multiply-add counting 2. */
export const gemmFlops = ({ m, n, k }: GemmShape): number => 2 * m * n * k;
/** Bytes that must move at least: A and B read once, C written once. */
export const gemmBytes = ({ m, n, k }: GemmShape): number => 4 * (m * k + k * n + m * n);
