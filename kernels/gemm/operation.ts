/** The matrix product, as kernels are chosen for it. */
import { type Operation, sizeClass } from '../operation.ts';
import { gemmCandidates } from './choose.ts';
import { type GemmEpilogue, type GemmShape, gemmFlops } from './shape.ts';

const FAMILY = 'gemm';

/** `n` as it is, `t` transposed: A, then B. */
const layout = ({ transposeA, transposeB }: GemmShape): string => `${transposeA ? 't' : 'n'}${transposeB ? 't' : 'n'}`;

/** C [m,n] = op(A)·op(B) through an epilogue, as kernels are chosen for it. */
export const gemmOperation = (shape: GemmShape): Operation<GemmEpilogue> => ({
  family: FAMILY,
  shape,
  get id() {
    return `${FAMILY}-${layout(shape)}-${shape.m}x${shape.n}x${shape.k}`;
  },
  get key() {
    return `${FAMILY}-${layout(shape)}-${[shape.m, shape.n, shape.k].map(sizeClass).join('x')}`;
  },
  get flops() {
    return gemmFlops(shape);
  },
  get operands() {
    const { m, n, k } = shape;
    return { a: m * k, b: k * n, c: m * n };
  },
  output: 'c',
  factors: ['a', 'b'],
  terms(index, visit) {
    const { m, n, k, transposeA, transposeB } = shape;
    const [row, column] = [Math.floor(index / n), index % n];
    for (let l = 0; l < k; l++) {
      visit(transposeA ? l * m + row : row * k + l, transposeB ? column * k + l : l * n + column);
    }
  },
  plain: {},
  candidates: (target) => gemmCandidates(shape, target),
});
