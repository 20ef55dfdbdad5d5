/** C [m,n] = op(A)·op(B), all row-major f32: op(A) is [m,k], op(B) is [k,n]. */
export interface GemmShape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** A is stored [k,m]. */
  readonly transposeA?: boolean;
  /** B is stored [n,k]. */
  readonly transposeB?: boolean;
}

/** A product for each of `count` pairs of matrices. */
export interface GemmBatch {
  readonly count: number;
  /** Elements from one A, and from one B, to the next; 0 where all share one. */
  readonly strideA: number;
  readonly strideB: number;
}

/** What follows the product: C = max(0, product + bias [n]) (+ C). */
export interface GemmEpilogue {
  readonly bias?: boolean;
  readonly relu?: boolean;
  readonly accumulate?: boolean;
}

export const gemmFlops = ({ m, n, k }: GemmShape): number => 2 * m * n * k;
export const gemmBytes = ({ m, n, k }: GemmShape): number => 4 * (m * k + k * n + m * n);
