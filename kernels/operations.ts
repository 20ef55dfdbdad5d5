/** The operations that several kernels can run, by the names of their families. */
import { convForwardOperation, convInputGradientOperation, convWeightGradientOperation } from './conv/operation.ts';
import { gemmOperation } from './gemm/operation.ts';
import type { Operation } from './operation.ts';

const FAMILIES: Readonly<Record<string, (shape: never) => Operation>> = {
  'conv.forward': convForwardOperation,
  'conv.inputGradient': convInputGradientOperation,
  'conv.weightGradient': convWeightGradientOperation,
  gemm: gemmOperation,
};

/** What tells an operation in a file or message: {@link operationOf} makes the operation of it again. */
export type OperationName = Pick<Operation, 'family' | 'shape'>;

/** The operation that another process or a file names; undefined when there is no such family. */
export const operationOf = ({ family, shape }: OperationName): Operation | undefined =>
  Object.hasOwn(FAMILIES, family) ? FAMILIES[family](shape as never) : undefined;
